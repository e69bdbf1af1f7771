import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.evaluation import InterHandMetric
from mmpose.structures import PoseDataSample

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, WRIST
from mmhand_dne.structures.mmpose_predictions import interhand_prediction

FOCAL, PRINCIPAL = np.array([1200.0, 1180.0]), np.array([170.0, 260.0])
WIDTH, HEIGHT = 256, 256
CORNER, SCALE = np.array([30.0, 100.0]), 1.6  # crop pixel = SCALE (image - CORNER)


def interhand_order(values):
    """(2, 21, ...) OpenPose to (42, ...) InterHand, by joint names."""
    found = []
    for hand in values:
        by_name = dict(zip(OPENPOSE_JOINTS, hand, strict=True))
        found += [by_name[name] for name in INTERHAND_JOINTS]
    return np.array(found)


def image_pixels(points_cam):
    return FOCAL * points_cam[..., :2] / points_cam[..., 2:] + PRINCIPAL


def crop_ndc(points_cam, affine):
    crop = image_pixels(points_cam) @ affine[:, :2].T + affine[:, 2]
    return (2 * crop + 1) / WIDTH - 1


@pytest.fixture
def hands():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (2, 21, 3))
    roots = np.array([[-0.05, 0.02, 0.8], [0.06, 0.0, 0.9]])
    return joints - joints[:, [WRIST]], roots


def rotated_affine(degrees=25.0):
    turn = np.radians(degrees)
    linear = SCALE * np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    return np.concatenate([linear, [[12.0], [-80.0]]], 1)


def evaluate(joints, roots, pred, visible=None):
    """MMPose's own metric on one image."""
    gt = 1000 * interhand_order(joints + roots[:, None])
    visible = np.ones(42) if visible is None else visible
    sample = PoseDataSample(
        metainfo=dict(
            hand_type=np.array([[1.0, 1.0]]),
            hand_type_valid=np.array([1]),
            abs_depth=[gt[20, 2], gt[41, 2]],
            focal=FOCAL,
            principal_pt=PRINCIPAL,
        )
    )
    sample.gt_instances = InstanceData(
        keypoints_cam=gt[None], keypoints_visible=visible[None]
    )
    sample.pred_instances = InstanceData(**pred)
    metric = InterHandMetric()
    metric.process(None, [sample.to_dict()])
    return metric.evaluate(1)


def predict(joints, roots, affine, presence=(0.9, 0.8), **kwargs):
    metainfo = dict(input_size=(WIDTH, HEIGHT), crop_affine=affine)
    ndc = crop_ndc(joints + roots[:, None], affine)
    return interhand_prediction(
        joints, ndc, np.array(presence), roots, kwargs.get('metainfo', metainfo)
    )


def test_ground_truth_has_no_error_in_mmpose(hands):
    metrics = evaluate(*hands, predict(*hands, rotated_affine()))
    assert metrics.pop('HandednessAcc') == 1
    assert metrics.pop('MPJPE_single') == 0  # no such image
    assert set(metrics) == {'MPJPE_all', 'MPJPE_interacting', 'MRRPE'}
    assert max(metrics.values()) < 2e-3  # mm; MMPose keeps pixels in float32


def test_absent_hand_is_seen_by_mmpose(hands):
    pred = predict(*hands, rotated_affine(), presence=(0.9, 0.2))
    assert evaluate(*hands, pred)['HandednessAcc'] == 0
    np.testing.assert_allclose(
        pred['keypoint_scores'][0, [0, 20, 21, 41]], [0.9, 0.9, 0.2, 0.2], rtol=1e-6
    )


def test_wrong_prediction_gives_mmposes_definition(hands):
    """MPJPE of joints lifted at the true wrist depth, MRRPE at the predicted one."""
    joints, roots = hands
    rng = np.random.default_rng(1)
    wrong = joints + rng.normal(0, 0.01, joints.shape)
    wrong -= wrong[:, [WRIST]]
    moved = roots + rng.normal(0, 0.01, roots.shape)
    visible = (rng.random(42) > 0.3).astype(float)
    visible[[20, 41]] = 1
    pred = predict(wrong, moved, rotated_affine())
    metrics = evaluate(joints, roots, pred, visible)

    pixels = image_pixels(wrong + moved[:, None])
    depth = 1000 * (wrong[..., 2] + roots[:, 2:])
    lifted = np.concatenate(
        [(pixels - PRINCIPAL) / FOCAL * depth[..., None], depth[..., None]], -1
    )
    lifted -= lifted[:, [WRIST]]
    errors = np.linalg.norm(
        interhand_order(lifted) - interhand_order(1000 * joints), axis=-1
    )
    assert metrics['MPJPE_all'] == pytest.approx(errors[visible > 0].mean(), rel=1e-4)

    right = 1000 * roots[0, 2]
    left = right + 1000 * (moved[1, 2] - moved[0, 2])
    rays = (image_pixels(moved) - PRINCIPAL) / FOCAL
    relative = np.append(rays[1] * left - rays[0] * right, left - right)
    wanted = np.linalg.norm(relative - 1000 * (roots[1] - roots[0]))
    assert metrics['MRRPE'] == pytest.approx(wanted, rel=1e-4)


def test_center_and_scale_do_for_an_upright_crop(hands):
    """MMPose's way back from the crop, the inverse of its own warp matrix."""
    affine = np.concatenate([SCALE * np.eye(2), -SCALE * CORNER[:, None]], 1)
    size = np.array([WIDTH, HEIGHT])
    metainfo = dict(
        input_size=(WIDTH, HEIGHT),
        input_center=CORNER + size / SCALE / 2,
        input_scale=size / SCALE,
    )
    by_affine = predict(*hands, affine)
    by_center = predict(*hands, affine, metainfo=metainfo)
    np.testing.assert_allclose(by_center['keypoints'], by_affine['keypoints'], 1e-5)


def test_unknown_wrists_give_nan_depth_and_tensors_are_taken(hands):
    joints, roots = map(torch.from_numpy, hands)
    metainfo = dict(input_size=(WIDTH, HEIGHT), crop_affine=rotated_affine())
    ndc = torch.zeros(2, 21, 2)
    pred = interhand_prediction(joints, ndc, torch.ones(2), None, metainfo)
    assert np.isnan(pred['rel_root_depth']).all()
    assert {k: v.shape for k, v in pred.items()} == dict(
        keypoints=(1, 42, 3),
        keypoint_scores=(1, 42),
        keypoints_visible=(1, 42),
        hand_type=(1, 2),
        rel_root_depth=(1,),
    )
    pred = interhand_prediction(joints + 0.3, ndc, torch.ones(2), roots, metainfo)
    assert abs(pred['keypoints'][0, [20, 41], 2]).max() < 1e-9  # wrists are the origin
    assert pred['rel_root_depth'] == pytest.approx(100.0)  # left 0.1 m behind


@pytest.mark.parametrize(
    ('metainfo', 'words'),
    [({}, "no 'input_size'"), (dict(input_size=(256, 256)), "neither 'crop_affine'")],
)
def test_missing_meta_keys_are_named(hands, metainfo, words):
    with pytest.raises(ValueError, match=words):
        predict(*hands, rotated_affine(), metainfo=metainfo)


def test_mmposes_visualiser_draws_the_present_hand_only(hands):
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.visualization import PoseLocalVisualizer

    import mmhand_dne  # noqa: F401  MMPose's visualisers need its compat package

    joints, roots = 0.4 * hands[0], hands[1]
    visualizer = PoseLocalVisualizer(radius=2, alpha=1.0)
    visualizer.set_dataset_meta(
        parse_pose_metainfo(dict(from_file='configs/_base_/datasets/interhand3d.py'))
    )

    def draw(presence):
        sample = PoseDataSample()
        sample.pred_instances = InstanceData(
            **predict(joints, roots, rotated_affine(), presence)
        )
        grey = np.full((512, 512, 3), 60, np.uint8)
        return visualizer.add_datasample(
            'hands', grey, sample, draw_gt=False, draw_heatmap=False, draw_bbox=False
        ).copy()

    changed = (draw((0.9, 0.1)) != draw((0.1, 0.1))).any(-1)
    pixels = image_pixels(joints + roots[:, None]).round().astype(int)
    right, left = (changed[points[:, 1], points[:, 0]] for points in pixels)
    assert right.all() and not left.any()
