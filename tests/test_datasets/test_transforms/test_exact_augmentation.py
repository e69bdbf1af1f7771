"""Pixels, 3D points, MANO parameters and intrinsics are augmented as one."""

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.datasets.transforms import MeshCrop, PackHandInputs, RandomMeshFlip
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.hand_targets import HandTargets

PAPER = dict(shift=10, rotation=90, scale=(0.9, 1.1))
TENTH_MM = 1e-4  # metres


def with_image(info, image=None):
    """A fresh copy of an entry with an image of its size."""
    if image is None:
        image = np.zeros((info['height'], info['width'], 3), np.uint8)
    return dict(info, img=image, ori_shape=image.shape[:2], img_shape=image.shape[:2])


def augment(info, seed, flip, size=256, image=None, **crop):
    np.random.seed(seed)
    results = RandomMeshFlip(prob=float(flip)).transform(with_image(info, image))
    return MeshCrop(input_size=size, **{**PAPER, **crop}).transform(results)


def pack(results):
    return PackHandInputs().transform(results)['data_samples']


def spot(info, pixel):
    """An image with one round spot, exact to a fraction of a pixel."""
    x, y = np.meshgrid(np.arange(info['width']), np.arange(info['height']))
    distance = (x - pixel[0]) ** 2 + (y - pixel[1]) ** 2
    tone = np.rint(250 * np.exp(-distance / (2 * 4.0**2))).astype(np.uint8)
    return np.repeat(tone[..., None], 3, -1)


@pytest.mark.parametrize('flip', [False, True])
def test_projected_targets_land_on_their_pixels(infos, flip):
    """A spot painted at a joint is found where the crop's camera projects it."""
    counted = 0
    for seed, info in enumerate(infos):
        hand = np.flatnonzero(info['mano_valid'])[-1]
        for joint in (0, 9, 17):
            point = info['mesh_joints'][hand, joint] + info['mesh_root'][hand]
            pixel = info['intrinsics'] @ point
            image = spot(info, pixel[:2] / pixel[2])
            results = augment(info, seed, flip, image=image)
            tone = results['img'][..., 0].astype(float)
            if tone[[0, -1]].any() or tone[:, [0, -1]].any() or not tone.any():
                continue  # cut by the border: no centre to compare with
            y, x = np.indices(tone.shape)
            centre = np.array([(tone * x).sum(), (tone * y).sum()]) / tone.sum()
            targets = HandTargets.from_samples([pack(results)])
            slot = 1 - hand if flip else hand
            ndc = targets.joints_ndc[0, slot, joint].double().numpy()
            found = ((ndc + 1) * 256 - 1) / 2
            assert np.abs(found - centre).max() < 0.1
            counted += 1
    assert counted >= 9


@pytest.mark.parametrize('flip', [False, True])
def test_vertices_land_where_the_image_map_sends_them(infos, flip):
    for seed, info in enumerate(infos):
        results = augment(info, seed, flip)
        targets = HandTargets.from_samples([pack(results)])
        for hand in np.flatnonzero(info['mano_valid']):
            points = info['mesh_vertices'][hand] + info['mesh_root'][hand]
            pixels = points @ info['intrinsics'].T
            pixels = pixels[:, :2] / pixels[:, 2:]
            if flip:
                pixels[:, 0] = info['width'] - 1 - pixels[:, 0]
            affine = results['crop_affine']
            expected = pixels @ affine[:, :2].T + affine[:, 2]
            slot = 1 - hand if flip else hand
            ndc = targets.vertices_ndc[0, slot].double().numpy()
            assert np.abs(((ndc + 1) * 256 - 1) / 2 - expected).max() < 0.01


@pytest.mark.parametrize('flip', [False, True])
def test_parameters_regenerate_the_augmented_mesh(infos, flip):
    """With a flip, the right hand's mesh comes from the left layer and vice versa."""
    pair = HandPair()
    for seed, info in enumerate(infos):
        targets = HandTargets.from_samples([pack(augment(info, seed, flip))])
        mesh = pair(targets.rotations, targets.betas)
        valid = targets.mano_valid[0] > 0
        assert valid.tolist() == [
            bool(x) for x in (info['mano_valid'][::-1] if flip else info['mano_valid'])
        ]
        error = (mesh.vertices - targets.vertices)[0, valid].abs().max()
        assert error < TENTH_MM
        assert (mesh.joints - targets.joints)[0, valid].abs().max() < TENTH_MM


def test_a_flip_changes_the_slots(infos):
    for info in infos:
        flipped = RandomMeshFlip(prob=1).transform(with_image(info))
        for name in ('hand_presence', 'joints_valid', 'mano_betas'):
            np.testing.assert_array_equal(flipped[name], info[name][::-1])
        np.testing.assert_array_equal(flipped['hand_type'], info['hand_type'][:, ::-1])


def test_the_crop_of_the_mirrored_image_is_the_mirrored_crop(infos):
    info = infos[0]
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    image = cv2.resize(noise, (info['width'], info['height']))
    plain = dict(shift=0, rotation=0, scale=(1, 1))
    one, two = (augment(info, 0, flip, image=image, **plain) for flip in (0, 1))
    difference = one['img'][:, ::-1].astype(float) - two['img']
    # OpenCV rounds positions to 1/32 pixel.
    assert np.abs(difference).mean() < 0.5 and np.abs(difference).max() < 10
    joints = [
        pack(results).gt_instance_labels.hand_joints_ndc for results in (one, two)
    ]
    mirrored = joints[0][:, [1, 0]] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(joints[1], mirrored, atol=1e-5, rtol=0)


def test_two_flips_are_none(infos):
    for info in infos:
        image = np.random.default_rng(0).integers(
            0, 255, (info['height'], info['width'], 3), dtype=np.uint8
        )
        twice = RandomMeshFlip(prob=1).transform(
            RandomMeshFlip(prob=1).transform(with_image(info, image))
        )
        np.testing.assert_array_equal(twice['img'], image)
        for name, value in info.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(twice[name], value, atol=1e-12)


def test_rotation_keeps_distances_and_depths(infos):
    for seed, info in enumerate(infos):
        results = augment(info, seed, False)
        before = info['mesh_vertices'] + info['mesh_root'][:, None]
        after = results['mesh_vertices'] + results['mesh_root'][:, None]
        np.testing.assert_allclose(after[..., 2], before[..., 2], atol=1e-9)
        np.testing.assert_allclose(
            np.linalg.norm(after, axis=-1), np.linalg.norm(before, axis=-1), atol=1e-9
        )


def test_unequal_focal_lengths_become_off_diagonals(infos):
    results = augment(infos[0], 0, False, shift=0, scale=(1, 1))
    found, focal = results['intrinsics'], np.diag(infos[0]['intrinsics'])[:2]
    angle = np.arctan2(results['crop_affine'][1, 0], results['crop_affine'][0, 0])
    zoom = np.hypot(*results['crop_affine'][:, 0])
    expected = zoom * np.sin(angle) * np.cos(angle) * (focal[0] - focal[1])
    assert abs(expected) > 0.5 and found[1, 0] == pytest.approx(expected)
    assert found[0, 1] == pytest.approx(found[1, 0])


@pytest.mark.parametrize('size', [128, 256])
def test_draws_stay_in_the_papers_ranges(infos, size):
    """Shift +-10 pixels of a 256 crop, rotation +-90 degrees, scale 0.9 to 1.1."""
    info, drawn = infos[2], []
    x, y, w, h = np.subtract(info['bbox'][0], [0, 0, *info['bbox'][0, :2]])
    for seed in range(60):
        affine = augment(info, seed, False, size=size)['crop_affine']
        centre = affine @ [x + w / 2, y + h / 2, 1]
        drawn.append(
            [
                *(centre - (size - 1) / 2) * 256 / size,
                np.degrees(np.arctan2(affine[1, 0], affine[0, 0])),
                np.hypot(*affine[:, 0]) * max(w, h) / size,
            ]
        )
    low, high = np.min(drawn, 0), np.max(drawn, 0)
    np.testing.assert_array_less([-10.001, -10.001, -90.001, 0.8999], low)
    np.testing.assert_array_less(high, [10.001, 10.001, 90.001, 1.1001])
    np.testing.assert_array_less(low, [-8, -8, -70, 0.92])
    np.testing.assert_array_less([8, 8, 70, 1.08], high)


def test_the_plain_crop_is_the_box_made_square(infos):
    info = infos[1]
    x, y, w, h = np.subtract(info['bbox'][0], [0, 0, *info['bbox'][0, :2]])
    results = MeshCrop(input_size=256).transform(with_image(info))
    side, centre = max(w, h), np.array([x + w / 2, y + h / 2])
    corners = np.stack([centre - side / 2, centre + side / 2])
    found = corners @ results['crop_affine'][:, :2].T + results['crop_affine'][:, 2]
    np.testing.assert_allclose(found, [[-0.5, -0.5], [255.5, 255.5]], atol=1e-9)
    # MMPose's way back from crop pixels to the image.
    pixels = np.array([[0.0, 0], [100, 37]])
    back = pixels / results['input_size'] * results['input_scale'] + (
        results['input_center'] - 0.5 * results['input_scale']
    )
    there = back @ results['crop_affine'][:, :2].T + results['crop_affine'][:, 2]
    np.testing.assert_allclose(there, pixels, atol=1e-9)


def test_the_crop_shows_the_image_behind_it(infos):
    """Against one pixel at a time through the inverse map."""
    info = infos[0]
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    image = cv2.resize(noise, (info['width'], info['height']))
    results = augment(info, 5, False, image=image)
    inverse = np.linalg.inv(np.vstack([results['crop_affine'], [0, 0, 1]]))
    for u, v in [(128, 128), (60, 200), (201, 77)]:
        x, y, _ = inverse @ [u, v, 1]
        inside = 0 <= x < info['width'] - 1 and 0 <= y < info['height'] - 1
        i, j = int(np.floor(y)), int(np.floor(x))
        if not inside:
            assert not results['img'][v, u].any()
            continue
        a, b = y - i, x - j
        patch = image[i : i + 2, j : j + 2].astype(float)
        expected = np.einsum('i,ijc,j->c', [1 - a, a], patch, [1 - b, b])
        # OpenCV rounds the position to 1/32 pixel.
        assert np.abs(results['img'][v, u] - expected).max() < 3


def test_a_box_without_area_is_an_error(infos):
    info = dict(infos[0], bbox=np.array([[3.0, 4, 3, 4]]))
    with pytest.raises(
        ValueError, match=r'the box \[\[3.0, 4.0, 3.0, 4.0\]\] has no area'
    ):
        MeshCrop().transform(with_image(info))


def test_the_global_generators_decide(infos):
    first, second = augment(infos[0], 3, True), augment(infos[0], 3, True)
    np.testing.assert_array_equal(first['crop_affine'], second['crop_affine'])
    third = augment(infos[0], 4, True)
    assert not np.allclose(first['crop_affine'], third['crop_affine'])
    torch.testing.assert_close(
        pack(first).gt_instance_labels.hand_vertices,
        pack(second).gt_instance_labels.hand_vertices,
        rtol=0,
        atol=0,
    )
