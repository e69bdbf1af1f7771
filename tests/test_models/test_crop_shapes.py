"""Models of crops that are not square: cameras, starts, losses, perfect predictions."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.evaluation.metrics import HandMeshMetric
from mmhand_dne.geometry.camera import ndc_to_pixels, pixels_to_ndc, project
from mmhand_dne.geometry.ridge_camera import ridge_camera
from mmhand_dne.geometry.weak_perspective import (
    official_origin,
    orthographic_camera,
    project_hamer,
    translation_from_weak_camera,
    weak_camera,
)
from mmhand_dne.hand_model import HandPair
from mmhand_dne.models.estimators.hand_predictions import pack_predictions
from mmhand_dne.models.losses.map_targets import map_targets
from mmhand_dne.structures.hand_state import CoarseHands, HandOutputs, HandState
from mmhand_dne.structures.hand_targets import HandTargets
from tests.fake_samples import fake_samples, hand_pair, one_hand_samples
from tests.gradients import wake
from tests.tiny_hamer import tiny_hamer, tiny_vit

W, H = 48, 64
SQUARE = 64
STEP = np.float32([[1, 0, (SQUARE - W) / 2], [0, 1, 0], [0, 0, 1]])  # its left edge


def shaped(samples):
    """Samples of square crops as those of their middle W columns."""
    for sample in samples:
        labels = sample.gt_instance_labels
        pixels = ndc_to_pixels(labels.hand_joints_ndc, SQUARE)
        pixels[..., 0] -= STEP[0, 2]
        valid = labels.hand_joints_ndc_valid[..., None] > 0
        labels.hand_joints_ndc = torch.where(valid, pixels_to_ndc(pixels, (W, H)), 0.0)
        inverse = torch.from_numpy(np.linalg.inv(STEP))
        labels.crop_intrinsics = inverse @ labels.crop_intrinsics
        sample.set_metainfo(
            dict(input_size=(W, H), crop_affine=np.linalg.inv(STEP)[:2])
        )
    return samples


@pytest.fixture(scope='module', autouse=True)
def scope():
    init_default_scope('mmpose')


def true_outputs(samples, camera):
    """What a model would yield that knows the truth and has these cameras."""
    targets = HandTargets.from_samples(samples)
    zero = torch.zeros_like(targets.root_cam)
    state = HandState(targets.vertices, targets.joints, zero, camera)
    coarse = CoarseHands(
        state,
        targets.rotations[..., :2].transpose(-1, -2).flatten(-2),
        targets.rotations,
        targets.betas,
        torch.full_like(zero[..., 0], 30.0),
        zero,
    )
    return HandOutputs(None, coarse, [])


def far_away(samples, times=1000.0):
    """The same pictures by a camera so far that it is orthographic."""
    for sample in samples:
        labels = sample.gt_instance_labels
        middle = labels.hand_root_cam.mean(1, keepdim=True)
        centre = labels.crop_intrinsics[..., :2, 2].clone()
        depth = middle[..., 2:]
        labels.hand_root_cam = labels.hand_root_cam + (
            times - 1
        ) * depth * torch.tensor([0.0, 0.0, 1.0])
        labels.crop_intrinsics = labels.crop_intrinsics.clone()
        labels.crop_intrinsics[..., :2, :2] *= times
        assert torch.equal(centre, labels.crop_intrinsics[..., :2, 2])
    return samples


def scores_of(samples, outputs):
    metric = HandMeshMetric(protocols=[])
    packed = pack_predictions(outputs, samples, False, {})
    metric.process(None, [sample.to_dict() for sample in packed])
    return metric.evaluate(len(samples))


def test_a_perfect_prediction_has_no_error_and_a_shift_its_pixels():
    samples = far_away(shaped(fake_samples(2, SQUARE)))
    targets = HandTargets.from_samples(samples)
    camera = ridge_camera(
        targets.vertices.double(),
        targets.vertices_ndc.double(),
        torch.ones(2, 2, 2, 2).double(),
        0.0,
    ).float()
    # As many pixels a metre along both axes, not as much of the crop.
    per_metre = camera[..., 0] * torch.tensor([W, H]) / 2
    torch.testing.assert_close(per_metre[..., 0], per_metre[..., 1], rtol=1e-4, atol=0)
    assert scores_of(samples, true_outputs(samples, camera))['MPVPE2D_All'] < 0.01
    moved = camera.clone()
    moved[..., 1] += torch.tensor([3 * 2 / W, 4 * 2 / H])  # 3 and 4 pixels
    found = scores_of(samples, true_outputs(samples, moved))
    assert found['MPVPE2D_All'] == pytest.approx(5.0, abs=0.02)
    assert found['MPVPE_All'] < 1e-3


def test_predictions_tell_pixels_of_the_image_and_where_the_hand_stands():
    samples = shaped(fake_samples(2, SQUARE))
    targets = HandTargets.from_samples(samples)
    camera = ridge_camera(
        targets.vertices, targets.vertices_ndc, torch.ones(2, 2, 2, 2), 0.0
    )
    packed = pack_predictions(true_outputs(samples, camera), samples, False, {})
    square = fake_samples(2, SQUARE)
    for found, sample in zip(packed, square):
        labels = sample.gt_instance_labels
        # The image is the square crop: its affine is the identity.
        wanted = ndc_to_pixels(labels.hand_joints_ndc, SQUARE)[0]
        pixels = torch.from_numpy(found.pred_instances.keypoints[0]).unflatten(
            0, (2, 21)
        )
        wrists = pixels[:, -1, :2]  # of InterHand2.6M's order
        assert (wrists - wanted[:, 0]).norm(dim=-1).max() < 1.5
        np.testing.assert_allclose(
            found.pred_instances.hand_root_cam[0], labels.hand_root_cam[0], atol=0.02
        )


def test_maps_are_those_of_the_square_crops_middle():
    """Rasterised at the crop's own pixels; the square's are its columns."""
    pair = hand_pair()
    wide = map_targets(
        HandTargets.from_samples(fake_samples(2, SQUARE)), pair, (SQUARE, SQUARE)
    )
    tall = map_targets(
        HandTargets.from_samples(shaped(fake_samples(2, SQUARE))), pair, (H, W)
    )
    left = int(STEP[0, 2])
    for name in ('depth', 'normal', 'heatmaps', 'correspondence', 'parts'):
        whole, part = getattr(wide, name)[..., left : left + W], getattr(tall, name)
        same = torch.isclose(whole.float(), part.float(), atol=1e-3)
        assert same.float().mean() > 0.999, name
    assert wide.foreground[..., left : left + W].any()


def dne(map_size):
    norm = dict(type='BN')
    hands = dict(in_channels=24, mid_channels=16, norm_cfg=norm)
    size = (4 * map_size[0], 4 * map_size[1])
    vit = dict(tiny_vit(1), img_size=size, crop_columns=0, patch_size=4)
    return dict(
        type='HandMeshEstimator',
        backbone=dict(vit, embed_dims=24, patch_padding=0, num_heads=2),
        hand_model=dict(type='HandPair'),
        aux_head=dict(type='AuxMapHead', out_channels=24, **hands),
        mano_head=dict(type='MANOMapHead', **hands),
        refine_head=dict(
            type='DNEHead',
            in_channels=24,
            map_size=map_size,
            num_stages=2,
            num_cells=8,
            loss_u=1.0,
            loss_regressed=1.0,
        ),
    )


@pytest.mark.parametrize('size', [(W, H), (H, W)])
def test_training_starts_with_as_many_pixels_a_metre_along_both_axes(size):
    torch.manual_seed(0)
    model = MODELS.build(dne((size[1] // 4, size[0] // 4))).eval()
    torch.nn.init.zeros_(model.mano_head.parameter_maps.weight)
    outputs = model.run_heads(torch.randn(1, 3, size[1], size[0]))
    camera = outputs.coarse.state.camera[0]
    per_metre = camera[..., 0] * torch.tensor(size) / 2
    torch.testing.assert_close(per_metre[..., 0], per_metre[..., 1])
    # On the shorter side it is the square model's.
    short = int(np.argmin(size))
    assert camera[:, short, 0].tolist() == pytest.approx([8.0] * 2)
    # u_r starts at the template's projection, whose shape is the template's own.
    start = model.refine_head.regress_points.start.detach().tanh() * 1.2
    flat = HandPair().template[..., :2]
    flat = flat - flat.mean(1, keepdim=True)
    pixels = start * torch.tensor(size) / 2
    inner = (start.abs() < 1.18).all(-1)
    ratio = (pixels / flat)[inner & (flat.abs() > 0.01).all(-1)]
    assert len(ratio) > 300
    assert ratio.std() < 1e-3 * ratio.mean()


def test_every_parameter_learns_and_the_shape_of_the_map_is_checked():
    torch.manual_seed(0)
    model = MODELS.build(dne((16, 12)))
    wake(model)
    losses = model.loss(torch.randn(2, 3, H, W), shaped(fake_samples(2, SQUARE)))
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    assert torch.isfinite(total)
    idle = [
        name
        for name, value in model.named_parameters()
        if value.grad is None or not value.grad.isfinite().all()
    ]
    assert not idle
    with pytest.raises(ValueError, match=r'the head was built for \(16, 12\)'):
        MODELS.build(
            {**dne((16, 12)), 'backbone': dne((12, 16))['backbone']}
        ).run_heads(torch.randn(1, 3, W, H))


@torch.no_grad()
def test_hamer_on_its_columns_alone_gives_its_own_hands():
    """The square's middle as input: the same mesh, the same pixels of the image."""
    options = dict(type='HandMeshEstimator', test_cfg=dict(flip_test=False))
    square, tall = tiny_hamer(1, **options), tiny_hamer(1, **options)
    square['mano_head'].update(image_size=SQUARE, official_camera=True)
    tall['mano_head'].update(image_size=(W, H), official_camera=True)
    tall['backbone'].update(crop_columns=0)
    torch.manual_seed(0)
    wide, narrow = MODELS.build(square).eval(), MODELS.build(tall).eval()
    wake(wide, names=('fc_pose', 'fc_cam'))
    narrow.load_state_dict(wide.state_dict())
    images = torch.randn(2, 3, SQUARE, SQUARE)
    left = int(STEP[0, 2])
    samples = one_hand_samples(2, SQUARE)
    theirs = wide.predict(images, samples)
    ours = narrow.predict(
        images[..., left : left + W], shaped(one_hand_samples(2, SQUARE))
    )
    for a, b in zip(ours, theirs):
        a, b = a.pred_instances, b.pred_instances
        np.testing.assert_array_equal(a.hand_vertices, b.hand_vertices)
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)
        np.testing.assert_allclose(a.hand_root_cam, b.hand_root_cam, rtol=1e-3)
        pixels = a.hand_camera[0, 0] * [[W], [H]] / 2
        np.testing.assert_allclose(
            pixels[:, 0], b.hand_camera[0, 0, :, 0] * SQUARE / 2, rtol=1e-5
        )


@pytest.mark.parametrize('size', [SQUARE, (W, H), (H, W)])
def test_the_weak_camera_and_its_inverse_and_its_projection_agree(size):
    draw = torch.Generator().manual_seed(0)
    weak = torch.tensor([[[6.0, 0.02, -0.01]], [[9.0, -0.03, 0.04]]]).double()
    root = 0.02 * torch.randn(2, 1, 3, generator=draw).double()
    points = 0.05 * torch.randn(2, 1, 9, 3, generator=draw).double()
    origin = official_origin(size)
    camera = orthographic_camera(weak, root, origin, size)
    torch.testing.assert_close(weak_camera(camera, root, origin, size), weak)
    focal = 1e6  # so far that the camera is orthographic
    moved = translation_from_weak_camera(weak, focal, size)
    ndc = project_hamer(points + root[..., None, :], moved, focal, size, origin)
    torch.testing.assert_close(ndc, project(points, camera), rtol=1e-3, atol=1e-3)
    # A metre spans s halves of the longer side, along both axes.
    pair = (size, size) if isinstance(size, int) else size
    pixels = camera[..., 0] * torch.tensor(pair) / 2
    torch.testing.assert_close(pixels, (weak[..., :1] * 32).expand_as(pixels))


@pytest.mark.parametrize('size', [(W, H), (H, W)])
def test_keypoints_of_any_shape_of_crop_are_fitted(size):
    """The mesh is seen where the keypoints are, by as many pixels a metre."""
    model = MODELS.build(
        dict(
            type='KeypointMeshEstimator',
            backbone=dict(type='ResNet', depth=18),
            head=dict(
                type='RTMCCHead',
                in_channels=512,
                out_channels=21,
                input_size=(64, 64),
                in_featuremap_size=(2, 2),
                decoder=dict(
                    type='SimCCLabel',
                    input_size=(64, 64),
                    sigma=4.9,
                    simcc_split_ratio=2.0,
                ),
            ),
        )
    )
    hand = model.hand_model
    joints = hand(hand.mean_rotations[None], torch.zeros(1, 1, 10)).joints[:, 0]
    pixels = 250 * joints[..., :2] + torch.tensor(size) / 2
    points = pixels_to_ndc(pixels, size)
    state = model.fit(points, torch.ones(1, 21), size[::-1]).state
    found = ndc_to_pixels(project(state.joints, state.camera), size)[:, 0]
    assert (found - pixels).norm(dim=-1).mean() < 0.02 * np.ptp(pixels[0, :, 1])
    per_metre = state.camera[0, 0, :, 0] * torch.tensor(size) / 2
    torch.testing.assert_close(per_metre[0], per_metre[1])
    assert float(per_metre[0]) == pytest.approx(250, rel=0.05)


def test_a_camera_of_another_shape_is_one_sentence():
    model = MODELS.build(tiny_hamer(1, type='HandMeshEstimator'))
    with pytest.raises(
        ValueError, match='48 x 64 pixels, the one camera scale of MANO'
    ):
        model.run_heads(torch.zeros(1, 3, H, W))
    token = dict(
        type='HandMeshEstimator',
        backbone=dict(type='MediaPipeHandNet'),
        mano_level=-1,
        hand_model=dict(type='SingleHand'),
        mano_head=dict(type='MANOTokenHead', in_channels=1152),
    )
    with pytest.raises(ValueError, match='64 x 96 pixels, the one camera .* 224 x 224'):
        MODELS.build(token).run_heads(torch.zeros(1, 3, 96, 64))
