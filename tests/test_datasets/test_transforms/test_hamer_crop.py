"""HaMeR's crop: its pixels to the bit, and all ground truth with them."""

import cv2
import numpy as np
import pytest
import scipy

from mmhand_dne.datasets.transforms import (
    HaMeRCrop,
    MeshCrop,
    PackHandInputs,
    SelectHand,
)
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.structures.hand_targets import HandTargets
from tests.oracles import hamer_crop as oracle

AUGMENTED = dict(shift=0.02, scale=0.3, rotation=30, rotation_prob=1.0)


def photo(seed, width=210, height=160):
    noise = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def sample(image, box, left):
    """What SelectHand leaves of a photo: mirrored for a left hand, with its box."""
    x1, y1, x2, y2 = (float(value) for value in box)
    if left:
        image = np.ascontiguousarray(image[:, ::-1])
        x1, x2 = image.shape[1] - 1 - x2, image.shape[1] - 1 - x1
    points = dict.fromkeys(
        ('joints_cam', 'mesh_vertices', 'mesh_joints'), np.zeros((2, 21, 3))
    )
    return dict(
        points,
        mesh_root=np.zeros((2, 3)),
        img=image,
        img_path='a.jpg',
        flip=left,
        mano_rotations=np.tile(np.eye(3), (2, 16, 1, 1)),
        mano_valid=np.zeros(2),
        intrinsics=np.eye(3),
        bbox=np.array([[x1, y1, x2, y2]]),
    )


def random_box(rng, width=210, height=160):
    """Float32 corners, also beyond the photo."""
    centre = rng.uniform([0, 0], [width, height])
    half = rng.uniform(4, 70, 2)
    return np.float32(np.concatenate([centre - half, centre + half]))


@pytest.mark.parametrize('left', [False, True])
@pytest.mark.parametrize('shape', [(192, 256), None])
def test_pixels_are_hamers_to_the_bit(left, shape):
    rng = np.random.default_rng(left)
    for seed in range(25):
        image, box = photo(seed), random_box(rng)
        expected, affine = oracle.crop(image, box, left, shape=shape)
        found = HaMeRCrop(aspect=shape).transform(sample(image, box, left))
        np.testing.assert_array_equal(found['img'], expected)
        np.testing.assert_array_equal(found['crop_affine'], affine)


@pytest.mark.parametrize('left', [False, True])
def test_the_filter_of_the_demo_is_hamers_to_the_bit(left):
    rng = np.random.default_rng(3)
    for _ in range(3):
        image = rng.integers(0, 255, (700, 900, 3), dtype=np.uint8)
        corner = rng.uniform(20, 90, 2)
        box = np.float32(np.concatenate([corner, corner + rng.uniform(320, 400, 2)]))
        expected, _ = oracle.crop(image, box, left, blur=True)
        found = HaMeRCrop(blur=True).transform(sample(image, box, left))['img']
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32(expected))
        plain = HaMeRCrop().transform(sample(image, box, left))['img']
        assert np.abs(plain - found).max() > 2


@pytest.mark.parametrize('place', ['corner', 'middle', 'outside'])
def test_only_what_the_crop_shows_is_filtered(place, monkeypatch):
    rng = np.random.default_rng(4)
    image = rng.integers(0, 255, (1900, 2000, 3), dtype=np.uint8)
    corner = np.array(
        dict(corner=(-40, 1150), middle=(500, 450), outside=(2900, 0))[place]
    )
    box = np.float32(np.concatenate([corner, corner + 400]))
    expected, _ = oracle.crop(image, box, False, blur=True)
    sizes, filtered = [], scipy.ndimage.gaussian_filter

    def watched(part, *args, **kwargs):
        sizes.append(part.shape[0] * part.shape[1])
        return filtered(part, *args, **kwargs)

    monkeypatch.setattr(scipy.ndimage, 'gaussian_filter', watched)
    found = HaMeRCrop(blur=True).transform(sample(image, box, False))['img']
    np.testing.assert_array_equal(found, np.float32(expected))
    assert sum(sizes) < 0.5 * image.shape[0] * image.shape[1]


def test_the_demos_filter_is_not_a_data_sets():
    image = np.random.default_rng(3).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    plain, demo = (
        HaMeRCrop(blur=blur).transform(sample(image, (90, 90, 450, 450), False))['img']
        for blur in (False, 'demo')
    )
    np.testing.assert_array_equal(plain, demo)
    with pytest.raises(ValueError, match="set True, False or 'demo'"):
        HaMeRCrop(blur='yes')


@pytest.mark.parametrize('left', [False, True])
def test_augmented_pixels_are_hamers_to_the_bit(left):
    rng = np.random.default_rng(5)
    for seed in range(10):
        image, box = photo(seed), random_box(rng)
        crop = HaMeRCrop(**AUGMENTED)
        np.random.seed(seed)
        tx, ty, scale, degrees, _ = crop.sample()
        expected, _ = oracle.crop(
            image, box, left, shift=(tx, ty), scale=scale, degrees=degrees
        )
        np.random.seed(seed)
        found = crop.transform(sample(image, box, left))
        np.testing.assert_array_equal(found['img'], expected)


def test_a_mirrored_photo_of_the_other_side_gives_the_same_crop():
    rng = np.random.default_rng(7)
    for seed in range(10):
        image = photo(seed)
        corner = rng.integers(0, 800, 2) / 8
        x1, y1, x2, y2 = np.concatenate([corner, corner + rng.integers(40, 640, 2) / 8])
        last = image.shape[1] - 1
        left = HaMeRCrop().transform(sample(image, (x1, y1, x2, y2), True))
        right = HaMeRCrop().transform(
            sample(image[:, ::-1].copy(), (last - x2, y1, last - x1, y2), False)
        )
        np.testing.assert_array_equal(left['img'], right['img'])
        np.testing.assert_array_equal(left['crop_affine'], right['crop_affine'])


def test_draws_follow_hamers_distributions():
    crop, drawn = HaMeRCrop(**{**AUGMENTED, 'rotation_prob': 0.6}, color=0.2), []
    np.random.seed(0)
    for _ in range(4000):
        tx, ty, scale, degrees, tones = crop.sample()
        drawn.append([tx / 0.02, ty / 0.02, (scale - 1) / 0.3, degrees / 30, *tones])
    drawn = np.array(drawn)
    for column in drawn[:, :3].T:  # a normal draw cut at +-1: 31.7 % at the ends
        assert np.abs(column).max() == pytest.approx(1)
        assert (np.abs(column) > 1 - 1e-9).mean() == pytest.approx(0.317, abs=0.03)
    turned = drawn[drawn[:, 3] != 0, 3]
    assert len(turned) / len(drawn) == pytest.approx(0.6, abs=0.03)
    assert np.abs(turned).max() == pytest.approx(2) and turned.std() > 0.9
    tones = drawn[:, 4:]
    assert 0.8 <= tones.min() < 0.81 and 1.19 < tones.max() <= 1.2
    assert abs(np.corrcoef(tones.T)[0, 1]) < 0.1  # channels are drawn apart


def test_colours_are_multiplied_and_cut():
    image, box = photo(0), (20, 20, 120, 140)
    plain = HaMeRCrop().transform(sample(image, box, False))['img']
    np.random.seed(1)
    tones = HaMeRCrop(color=0.2).sample()[-1]
    np.random.seed(1)
    found = HaMeRCrop(color=0.2).transform(sample(image, box, False))['img']
    assert found.dtype == np.float32 and found.max() <= 255
    np.testing.assert_allclose(found, np.clip(plain * tones, 0, 255), atol=1e-4)


def prepare(info, slot, seed=0, image=None, **options):
    if image is None:
        image = np.zeros((info['height'], info['width'], 3), np.uint8)
    results = SelectHand().transform(
        dict(info, hand_slot=slot, img=image, ori_shape=image.shape[:2])
    )
    np.random.seed(seed)
    return HaMeRCrop(**options).transform(results)


def hands(infos):
    return [
        (info, int(slot))
        for info in infos
        for slot in np.flatnonzero(info['mano_valid'])
    ]


@pytest.mark.parametrize('half_pixel', [False, True])
@pytest.mark.parametrize('augmentation', [{}, AUGMENTED])
def test_projected_ground_truth_lands_on_the_pixels(infos, half_pixel, augmentation):
    for seed, (info, slot) in enumerate(hands(infos)):
        results = prepare(info, slot, seed, half_pixel=half_pixel, **augmentation)
        targets = HandTargets.from_samples(
            [PackHandInputs().transform(results)['data_samples']]
        )
        points = info['mesh_vertices'][slot] + info['mesh_root'][slot]
        pixels = points @ info['intrinsics'].T
        pixels = pixels[:, :2] / pixels[:, 2:]
        if slot:
            pixels[:, 0] = info['width'] - 1 - pixels[:, 0]
        expected = pixels @ results['crop_affine'][:, :2].T
        expected = expected + results['crop_affine'][:, 2]
        found = ((targets.vertices_ndc[0, 0].numpy() + 1) * 256 - 1) / 2
        assert np.abs(found - expected).max() < 0.1


@pytest.mark.parametrize('augmentation', [{}, AUGMENTED])
def test_a_photo_mirrored_with_its_hands_gives_the_same_sample(infos, augmentation):
    """Through SelectHand: the picture, the camera and the ground truth."""
    for seed, (info, slot) in enumerate(hands(infos)):
        image = photo(seed, info['width'], info['height'])
        twin = dict(info, img=image[:, ::-1].copy(), hand_slot=1 - slot)
        twin['intrinsics'] = info['intrinsics'].copy()
        twin['intrinsics'][0, 2] = info['width'] - 1 - info['intrinsics'][0, 2]
        for name in ('joints_cam', 'mesh_vertices', 'mesh_joints', 'mesh_root'):
            twin[name] = info[name][::-1] * [-1.0, 1, 1]
        for name in (
            'joints_valid',
            'joint_in_image',
            'mano_betas',
            'mano_valid',
            'mesh_valid',
        ):
            twin[name] = info[name][::-1].copy()
        mirror = np.diag([-1.0, 1, 1])
        twin['mano_rotations'] = mirror @ info['mano_rotations'][::-1] @ mirror
        one = prepare(info, slot, seed, image, **augmentation)
        np.random.seed(seed)
        two = HaMeRCrop(**augmentation).transform(SelectHand().transform(twin))
        # A box mirrored in doubles is rounded anew, so a few pixels differ slightly.
        difference = np.abs(one['img'].astype(int) - two['img'])
        assert difference.max() <= 8 and difference.mean() < 0.05
        for name in ('intrinsics', 'crop_affine', 'bbox'):
            np.testing.assert_allclose(one[name], two[name], rtol=1e-4, atol=1e-2)
        for name in ('mesh_vertices', 'mesh_joints', 'mesh_root', 'mano_rotations'):
            np.testing.assert_allclose(one[name][0], two[name][0], atol=1e-9)


def test_a_painted_joint_is_found_where_its_ground_truth_projects(infos):
    counted = 0
    for seed, (info, slot) in enumerate(hands(infos)):
        point = info['mesh_joints'][slot, 9] + info['mesh_root'][slot]
        pixel = (info['intrinsics'] @ point)[:2] / point[2]
        y, x = np.indices((info['height'], info['width']))
        distance = (x - pixel[0]) ** 2 + (y - pixel[1]) ** 2
        tone = np.rint(250 * np.exp(-distance / (2 * 4.0**2))).astype(np.uint8)
        image = np.repeat(tone[..., None], 3, -1)
        results = prepare(info, slot, seed, image, **AUGMENTED)
        tone = results['img'][..., 0].astype(float)
        if not tone.any() or tone[[0, -1]].any() or tone[:, [0, -1]].any():
            continue
        y, x = np.indices(tone.shape)
        centre = np.array([(tone * x).sum(), (tone * y).sum()]) / tone.sum()
        targets = HandTargets.from_samples(
            [PackHandInputs().transform(results)['data_samples']]
        )
        found = ((targets.joints_ndc[0, 0, 9].numpy() + 1) * 256 - 1) / 2
        assert np.abs(found - centre).max() < 0.1
        counted += 1
    assert counted >= 4


def test_parameters_of_either_side_regenerate_the_mesh_as_a_right_hand(infos):
    hand = SingleHand()
    for seed, (info, slot) in enumerate(hands(infos)):
        results = prepare(info, slot, seed, **AUGMENTED)
        targets = HandTargets.from_samples(
            [PackHandInputs().transform(results)['data_samples']]
        )
        mesh = hand(targets.rotations[:, :1], targets.betas[:, :1])
        assert (mesh.vertices - targets.vertices[:, :1]).abs().max() < 1e-4
        assert (mesh.joints - targets.joints[:, :1]).abs().max() < 1e-4


def test_the_centre_is_at_hamers_pixel_or_in_the_middle(infos):
    info, slot = hands(infos)[0]
    for half_pixel, middle in ((False, 128.0), (True, 127.5)):
        results = prepare(info, slot, half_pixel=half_pixel)
        x, y, w, h = np.subtract(results['bbox'][0], [0, 0, *results['bbox'][0, :2]])
        found = results['crop_affine'] @ [x + w / 2, y + h / 2, 1]
        np.testing.assert_allclose(found, middle, atol=1e-3)
        # MMPose's own way back to the image.
        corner = results['input_center'] - 0.5 * results['input_scale']
        back = found / 256 * results['input_scale'] + corner
        np.testing.assert_allclose(back, [x + w / 2, y + h / 2], atol=1e-3)


def test_mistakes_are_one_sentence():
    with pytest.raises(ValueError, match='scale is 1.0, expected 0 <= scale < 1'):
        HaMeRCrop(scale=1.0)
    with pytest.raises(ValueError, match=r'a.jpg: the box .* has no area'):
        HaMeRCrop().transform(sample(photo(0), (5, 5, 5, 5), False))


@pytest.mark.parametrize('crop', [HaMeRCrop, MeshCrop])
@pytest.mark.parametrize('size', [(192, 256.0), 256.0, 0, (1, 2, 3), '256', True])
def test_a_size_that_is_none_is_one_sentence(crop, size):
    with pytest.raises(ValueError, match=r'give the side of a .* or \(width, height\)'):
        crop(input_size=size)
