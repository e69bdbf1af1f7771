"""Hands of images: frames, mirrors, boxes, cameras, batches, refusals."""

import cv2
import numpy as np
import pytest
import torch
from mmpose.registry import INFERENCERS

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.crops import to_image, upright_affine
from mmhand_dne.apis.inputs.given_boxes import HandBox
from mmhand_dne.geometry.camera import perspective_translation
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import MANOLayer
from tests.tiny_inferencers import (
    DNE,
    HAMER,
    SHAPES,
    SIZE,
    mirrored,
    noise_image,
    tiny_inferencer,
)

OTHER = dict(right='left', left='right')
MIRROR = np.array([-1.0, 1, 1])
IMAGE = noise_image()  # 200 x 160
SHAPE_OF = dict(tall_dne=SHAPES[DNE], wide_hamer=SHAPES[HAMER])
K = np.array([[310.0, 2, 95], [0, 290, 88], [0, 0, 1]])


@pytest.fixture(scope='module')
def flipping(folder):
    return tiny_inferencer(DNE, folder, flip_test=True)


def hands_of(inferencer, image=IMAGE, box=None, side=None, **options):
    """Hands by side, whatever their presence."""
    boxes = None if box is None else [turned_box(*box)]
    [result] = inferencer.results(
        image, bboxes=boxes, side=side, presence_thr=0.0, **options
    )
    return {hand.side: hand for hand in result.hands}


def turned_box(x0, y0, x1, y1, angle=0.0):
    """A box as it is given, of four numbers and of an angle."""
    return dict(box=[x0, y0, x1, y1], angle=angle)


def mano_vertices(hand):
    """The mesh of its parameters, by the layer of its side, camera metres."""
    pose = np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
    rotations = matrix_from_axis_angle(torch.tensor(pose).reshape(16, 3))
    betas, transl = torch.tensor(hand.mano.betas), torch.tensor(hand.mano.transl)
    return MANOLayer(hand.side)(rotations, betas, transl).numpy()


def mirror_difference(hands, other, width):
    """Largest distance in metres, and in pixels, of hands to mirrored hands."""
    metres, pixels = 0.0, 0.0
    for side, hand in hands.items():
        twin = other[OTHER[side]]
        assert twin.presence == pytest.approx(hand.presence, abs=1e-3)
        metres = max(
            metres,
            np.abs(twin.vertices * MIRROR - hand.vertices).max(),
            np.abs(twin.joints * MIRROR - hand.joints).max(),
            np.abs(mano_vertices(twin) * MIRROR - mano_vertices(hand)).max(),
        )
        back = twin.vertices_2d.copy()
        back[:, 0] = width - 1 - back[:, 0]
        pixels = max(pixels, np.abs(back - hand.vertices_2d).max())
    return metres, pixels


def mirrored_box(box, width):
    x0, y0, x1, y1, *angles = box
    return [width - 1 - x1, y0, width - 1 - x0, y1, *(-angle for angle in angles)]


def whole_pixel_box(padding=1.0, size=SIZE):
    """A box whose crop copies pixels: its centre is where a crop's middle falls."""
    centre, half = np.array([90.5, 77.5]), size / padding / 2
    return [*(centre - half), *(centre + half)]


@pytest.mark.parametrize(
    ('box', 'metres'),
    [
        (whole_pixel_box(), 1e-4),
        ([31.3, 22.7, 144.1, 130.9], 1e-3),
        ([-30, 60, 80, 170], 1e-3),
        ([40, 30, 130, 140, 25], 1e-3),
    ],
)
def test_a_mirrored_photo_gives_mirrored_hands(flipping, box, metres):
    hands = hands_of(flipping, IMAGE, box)
    other = hands_of(flipping, mirrored(IMAGE), mirrored_box(box, 200))
    found, pixels = mirror_difference(hands, other, 200)
    assert found < metres and pixels < 0.5
    assert hands['right'].joints_2d[5] != pytest.approx(hands['left'].joints_2d[5])


@pytest.mark.parametrize(
    ('box', 'metres'),
    [
        (whole_pixel_box(1.4), 1e-4),
        ([31.3, 22.7, 144.1, 130.9], 1e-3),
        ([-30, 60, 80, 170], 1e-3),
        ([40, 30, 130, 140, 25], 1e-3),
    ],
)
@pytest.mark.parametrize('side', ['right', 'left'])
def test_one_hand_models_are_symmetric_by_themselves(hamer, box, metres, side):
    hands = hands_of(hamer, IMAGE, box, side)
    other = hands_of(hamer, mirrored(IMAGE), mirrored_box(box, 200), OTHER[side])
    assert list(hands) == [side] and list(other) == [OTHER[side]]
    found, pixels = mirror_difference(hands, other, 200)
    assert found < metres and pixels < 0.5
    mirror = np.tile(MIRROR, 20)
    twin = other[OTHER[side]].joint_covariance_full * np.outer(mirror, mirror)
    assert np.allclose(twin, hands[side].joint_covariance_full, rtol=0.02, atol=1e-7)


def test_a_skewed_camera_is_mirrored_too(hamer):
    box = whole_pixel_box(1.4)
    hand = hands_of(hamer, IMAGE, box, 'right', intrinsics=K)['right']
    camera = K.copy()
    camera[0, 1], camera[0, 2] = -K[0, 1], 199 - K[0, 2]
    twin = hands_of(
        hamer, mirrored(IMAGE), mirrored_box(box, 200), 'left', intrinsics=camera
    )['left']
    assert twin.translation * MIRROR == pytest.approx(hand.translation, abs=1e-4)


@pytest.mark.parametrize(
    'box',
    [
        [30, 20, 150, 140],
        [12.5, -40, 100, 70],
        [60, 40, 140, 130, 33],
        [150, 100, 260, 190, -70],
    ],
    ids=['plain', 'crossing', 'rotated', 'both'],
)
@pytest.mark.parametrize('name', ['dne', 'hamer', 'tall_dne', 'wide_hamer'])
def test_points_go_back_to_the_pixels_that_the_crop_shows(request, name, box):
    inferencer = request.getfixturevalue(name)
    corners, angle = np.array(box[:4], float), box[4] if len(box) > 4 else 0.0
    for side in ('right', 'left') if 'hamer' in name else ('right',):
        middle = (corners[:2] + corners[2:]) / 2 + (9, 6)
        spot = np.clip(middle, (10, 10), (188, 148)).round()
        image = np.zeros((160, 200, 3), np.uint8)
        cv2.circle(image, tuple(int(value) for value in spot), 5, (255, 255, 255), -1)
        [crop] = inferencer.pipeline.crops(image, HandBox(corners, side, angle), K, 'x')
        shown = crop.data['inputs'][0].numpy().astype(float)
        rows, columns = np.indices(shown.shape)
        middle = np.array([(columns * shown).sum(), (rows * shown).sum()]) / shown.sum()
        meta = crop.data['data_samples'].metainfo
        width = meta['input_size'][0]
        if meta['flip']:
            middle[0] = width - 1 - middle[0]
        affine = upright_affine(meta['crop_affine'], meta['flip'], 200, width)
        assert np.linalg.norm(to_image(middle, affine) - spot) < 0.5


@pytest.mark.parametrize('name', ['dne', 'hamer'])
def test_a_rotated_box_is_a_rotated_image(request, name):
    """A quarter turn copies pixels, so both ways must give the same hands."""
    inferencer, side = request.getfixturevalue(name), 'left'
    padding = 1.0 if name == 'dne' else 1.4
    box = whole_pixel_box(padding)
    rotated = hands_of(inferencer, IMAGE, [*box, 90], side)[side]
    # Rotated against the clock: (u, v) goes to (v, 199 - u).
    image = np.ascontiguousarray(np.rot90(IMAGE))
    x0, y0, x1, y1 = box
    upright = hands_of(inferencer, image, [y0, 199 - x1, y1, 199 - x0], side)[side]
    rotation = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    assert rotated.vertices @ rotation.T == pytest.approx(upright.vertices, abs=1e-5)
    u, v = rotated.joints_2d.T
    assert np.stack([v, 199 - u], -1) == pytest.approx(upright.joints_2d, abs=0.01)
    assert mano_vertices(rotated) @ rotation.T == pytest.approx(
        mano_vertices(upright), abs=2e-5
    )
    if name == 'hamer':
        blocks = rotation @ rotated.joint_covariance @ rotation.T
        assert blocks == pytest.approx(upright.joint_covariance, abs=1e-6)


@pytest.mark.parametrize('name', ['dne', 'hamer'])
def test_a_box_over_the_border_reads_black_there(request, name):
    inferencer = request.getfixturevalue(name)
    inside = hands_of(
        inferencer,
        np.pad(IMAGE, ((50, 50), (50, 50), (0, 0))),
        [20, 25, 148, 153],
        'right',
    )['right']
    across = hands_of(inferencer, IMAGE, [-30, -25, 98, 103], 'right')['right']
    assert across.vertices == pytest.approx(inside.vertices, abs=1e-6)
    assert across.vertices_2d + 50 == pytest.approx(inside.vertices_2d, abs=0.01)


@pytest.mark.parametrize(
    ('name', 'side'),
    [
        (name, side)
        for name in ('dne', 'hamer', 'tall_dne', 'wide_hamer')
        for side in ('right', 'left')
    ],
)
def test_what_a_result_says_is_consistent(request, name, side):
    inferencer = request.getfixturevalue(name)
    hand = hands_of(inferencer, IMAGE, [31, 22, 144, 131, 20], side, intrinsics=K)[side]
    assert hand.metric and (hand.intrinsics == K.astype(np.float32)).all()
    assert np.abs(hand.joints[0]).max() == 0
    # The hand stands where the true camera sees its vertices where they are.
    seen = (hand.vertices, hand.vertices_2d, hand.intrinsics)
    best = perspective_translation(*(torch.tensor(each).double() for each in seen))
    assert hand.translation == pytest.approx(best.numpy(), abs=1e-4)
    # MANO of the true side gives the regressed mesh, wherever it stands.
    mesh = hand.vertices if hand.coarse_vertices is None else hand.coarse_vertices
    gap = mano_vertices(hand) - mesh
    assert np.ptp(gap, axis=0).max() < 1e-5
    if hand.coarse_vertices is None:
        assert gap[0] == pytest.approx(hand.translation, abs=1e-5)
    # The crop's camera, on vertices rotated into the crop's axes.
    linear = hand.crop_affine[:, :2].astype(float)
    rotation = np.eye(3)
    rotation[:2, :2] = linear / np.sqrt(np.linalg.det(linear))
    flat = (hand.vertices @ rotation.T)[:, :2] * hand.crop_camera[:, 0] + (
        hand.crop_camera[:, 1]
    )
    size = np.array(SHAPE_OF.get(name, (SIZE, SIZE)))
    pixels = to_image(((flat + 1) * size - 1) / 2, hand.crop_affine)
    # HaMeR's own projection is perspective, from far away.
    extent = np.ptp(hand.vertices_2d, axis=0).max()
    assert np.abs(pixels - hand.vertices_2d).max() < max(
        0.01, (0.02 * extent if 'hamer' in name else 0)
    )
    volume = np.linalg.det(hand.vertices[hand.faces].astype(float)).sum()
    assert volume > 0  # wound outward
    if 'hamer' in name:
        full = hand.joint_covariance_full.reshape(20, 3, 20, 3)
        assert full[4, :, 4] == pytest.approx(hand.joint_covariance[5], abs=1e-9)
        std = 1000 * np.sqrt(np.trace(hand.joint_covariance, axis1=1, axis2=2))
        assert std == pytest.approx(hand.joint_std, rel=1e-4) and std[0] == 0


def test_without_a_camera_the_convention_is_told(dne):
    hand = hands_of(dne)['right']
    assert not hand.metric
    assert hand.intrinsics[0, 0] == pytest.approx(5000 / 256 * 200)
    assert hand.intrinsics[:2, 2] == pytest.approx([99.5, 79.5])
    assert hand.box == pytest.approx([-0.5, -0.5, 199.5, 159.5])


def test_batches_cross_images_and_change_nothing(hamer):
    images = [noise_image(seed=i) for i in range(3)]
    boxes = [[[10, 10, 90, 90]], [[5, 5, 99, 80], [60, 20, 150, 120]], []]
    both = dict(bboxes=boxes, side='both')
    alone, batched = (
        list(hamer.results(images, batch_size=size, **both)) for size in (1, 4)
    )
    assert [len(result.hands) for result in batched] == [2, 4, 0]
    assert [result.index for result in batched] == [0, 1, 2]
    assert batched[2].problem == 'array 2: no box is given for it'
    for one, two in zip(alone, batched):
        assert [hand.side for hand in one.hands] == [hand.side for hand in two.hands]
        for a, b in zip(one.hands, two.hands):
            assert a.vertices == pytest.approx(b.vertices, abs=1e-6)


def test_presence_decides_who_is_there(dne):
    [all_of_them] = dne.results(IMAGE, presence_thr=0.0)
    assert [hand.side for hand in all_of_them.hands] == ['right', 'left']
    [nobody] = dne.results(IMAGE, presence_thr=1.0)
    assert nobody.hands == () and 'no hand found (highest presence 0.' in nobody.problem
    # A side that is given is there, whatever the model thinks.
    with pytest.raises(ValueError, match='presence_thr is 1.1, expected'):
        list(dne.results(IMAGE, presence_thr=1.1))
    [given] = dne.results(IMAGE, presence_thr=1.0, side='left')
    assert [hand.side for hand in given.hands] == ['left']


def test_one_hand_models_have_to_be_told_the_side(hamer):
    with pytest.raises(ValueError, match='the model reads one hand'):
        list(hamer.results(IMAGE))


@pytest.mark.parametrize(
    ('box', 'sentence'),
    [([300, 3, 310, 9], 'is outside the image'), ([9, 9, 9, 20], 'has no area')],
)
def test_a_bad_box_costs_only_its_hand(dne, box, sentence):
    [result] = dne.results(IMAGE, bboxes=[[box]], presence_thr=0)
    assert result.hands == () and sentence in result.problem
    [result] = dne.results(IMAGE, bboxes=[[box, [0, 0, 99, 99]]], presence_thr=0)
    assert len(result.hands) == 2 and result.problem == ''


def test_sizes_from_one_pixel_to_many(dne):
    [small] = dne.results(np.zeros((1, 1, 3), np.uint8), presence_thr=0)
    [large] = dne.results(np.zeros((6000, 8000, 3), np.uint8), presence_thr=0)
    assert (small.size, large.size) == ((1, 1), (8000, 6000))
    for result in (small, large):
        assert len(result.hands) == 2
        assert all(np.isfinite(hand.vertices_2d).all() for hand in result.hands)


class FakeDetector:
    """Two boxes about the same position."""

    def __call__(self, image, bbox_thr, nms_thr):
        return [
            HandBox(np.array([20.0, 20, 120, 120]), kind='tight'),
            HandBox(np.array([21.0, 21, 121, 121]), kind='tight'),
        ]


def test_overlapping_detections_give_a_hand_once(folder, monkeypatch):
    inferencer = tiny_inferencer(DNE, folder)
    inferencer.detector = FakeDetector()
    [result] = inferencer.results(IMAGE, presence_thr=0)
    assert len(result.hands) == 1  # each box is one hand, and both are the same
    # A detector's box is tight; the crop is as wide as the data set's box would be.
    affine = result.hands[0].crop_affine
    assert SIZE / affine[0, 0] == pytest.approx(120, rel=1e-5)
    monkeypatch.setattr(FakeDetector, '__call__', lambda *_: [])
    [result] = inferencer.results(IMAGE)
    assert result.problem == 'array 0: the detector found no hand'


def test_an_absent_detector_is_one_sentence(folder):
    for name, sentence in (
        ('rtmdet.py', 'needs MMDetection, which is not installed'),
        ('mediapipe', 'needs the package mediapipe'),
    ):
        package = 'mmdet' if name != 'mediapipe' else 'mediapipe'
        try:
            __import__(package)
        except ImportError:
            with pytest.raises(ImportError, match=sentence):
                tiny_inferencer(DNE, folder, det_model=name)


def test_it_is_built_and_called_as_mmposes(folder, tmp_path, dne):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), IMAGE)
    config = dict(
        type='HandMeshInferencer',
        model=DNE,
        weights=str(folder / f'{DNE}.pth'),
        device='cpu',
        det_model='whole_image',
        output_maps=True,
    )
    inferencer = INFERENCERS.build(config)
    calls = inferencer(
        str(path),
        return_vis=True,
        out_dir=str(tmp_path / 'out'),
        presence_thr=0.0,
        batch_size=2,
    )
    found = list(calls)
    assert len(found) == 1 and set(found[0]) == {'predictions', 'visualization'}
    assert found[0]['visualization'][0].shape[2] == 3
    assert found[0]['predictions'][0].maps['heatmaps'].shape == (42, 32, 32)
    files = {
        p.relative_to(tmp_path / 'out').as_posix()
        for p in (tmp_path / 'out').rglob('*.*')
    }
    assert files == {'predictions/a.json', 'visualizations/a_overlay.jpg'}
    [samples] = (entry['predictions'] for entry in dne(IMAGE, return_datasamples=True))
    assert samples[0].pred_instances.hand_vertices.shape == (1, 2, 778, 3)
    with pytest.raises(ValueError, match='unknown argument'):
        next(dne(IMAGE, boxes=[1]))


def test_a_checkpoint_of_another_model_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r'is not of this model: .*\(first mano_head'):
        HandMeshInferencer(HAMER, str(folder / f'{DNE}.pth'), 'cpu')
    with pytest.raises(FileNotFoundError, match='there is no such file'):
        HandMeshInferencer(DNE, str(tmp_path / 'none.pth'), 'cpu')
    with pytest.raises(FileNotFoundError, match='did you mean dne_rendered'):
        HandMeshInferencer('dne_rendereds', str(folder / f'{DNE}.pth'), 'cpu')
    with pytest.raises(ValueError, match='needs weights'):
        HandMeshInferencer(DNE)
    with pytest.raises(ValueError, match='needs the config'):
        HandMeshInferencer(None, str(folder / f'{DNE}.pth'))
    with pytest.raises(ValueError, match='flip_test mirrors a right hand'):
        tiny_inferencer(HAMER, folder, flip_test=True)
