import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from mmhand_dne.evaluation import HandMeshMetric
from mmhand_dne.evaluation.functional.mean_hands import MeanHands
from tests.oracles.hand_samples import SIZE, random_sample
from tests.oracles.pose_errors import perspective_pixels


def mean_of(samples):
    mean = MeanHands()
    for sample in samples:
        mean.add(sample)
    return mean


@pytest.fixture
def samples():
    return [random_sample(index) for index in range(12)]


def seen(samples, hand, field='hand_vertices_valid'):
    return [
        s.gt_instance_labels for s in samples if s.gt_instance_labels[field][0, hand]
    ]


@pytest.mark.parametrize('hand', [0, 1])
def test_mesh_is_the_mean_over_images_with_ground_truth(samples, hand):
    found = mean_of(samples).prediction()
    wanted = np.mean([s.hand_vertices[0, hand].numpy() for s in seen(samples, hand)], 0)
    np.testing.assert_allclose(found['hand_vertices'][0, hand], wanted, atol=1e-7)
    roots = seen(samples, hand, 'hand_root_valid')
    wanted = np.mean([s.hand_root_cam[0, hand].numpy() for s in roots], 0)
    np.testing.assert_allclose(found['hand_root_cam'][0, hand], wanted, atol=1e-7)


@pytest.mark.parametrize('hand', [0, 1])
def test_joint_counts_only_where_valid(samples, hand):
    found = mean_of(samples).prediction()['hand_joints'][0, hand, 7]
    rows = [
        s.gt_instance_labels.hand_joints[0, hand, 7].numpy()
        for s in samples
        if s.gt_instance_labels.hand_joints_valid[0, hand, 7]
    ]
    assert 0 < len(rows) < 12
    np.testing.assert_allclose(found, np.mean(rows, 0), atol=1e-7)


@pytest.mark.parametrize('hand', [0, 1])
def test_camera_is_least_squares_over_all_images(samples, hand):
    found = mean_of(samples).prediction()
    mean = found['hand_vertices'][0, hand].astype(float)
    design, wanted = [], []
    for labels in seen(samples, hand):
        if not labels.hand_root_valid[0, hand]:
            continue
        pixels = perspective_pixels(
            labels.hand_vertices[0, hand].double().numpy(),
            labels.hand_root_cam[0, hand].double().numpy(),
            labels.crop_intrinsics[0].double().numpy(),
        )
        wanted.append((2 * np.array(pixels) + 1) / SIZE - 1)
        design.append(mean[:, :2])
    for axis in range(2):
        column = np.concatenate(design)[:, axis]
        matrix = np.stack([column, np.ones_like(column)], 1)
        solution = np.linalg.lstsq(matrix, np.concatenate(wanted)[:, axis], rcond=None)
        camera = found['hand_camera'][0, hand, axis]
        np.testing.assert_allclose(camera, solution[0], rtol=1e-4)


@pytest.mark.parametrize('hand', [0, 1])
def test_camera_is_the_slope_and_intercept_of_the_mean_projection(samples, hand):
    mean = mean_of(samples)
    found = mean.prediction()['hand_camera'][0, hand]
    points, ndc = (
        (mean.sums[name] / mean.counts[name])[hand].numpy()
        for name in ('vertices', 'vertices_ndc')
    )
    for axis in range(2):
        centred = points[:, axis] - points[:, axis].mean()
        scale = (centred * ndc[:, axis]).sum() / (centred**2).sum()
        shift = ndc[:, axis].mean() - scale * points[:, axis].mean()
        np.testing.assert_allclose(found[axis], [scale, shift], rtol=1e-6)


def test_prediction_is_what_the_metric_reads(samples):
    mean = mean_of(samples)
    assert mean.unseen_sides() == []
    evaluator = Evaluator(HandMeshMetric())
    for sample in samples:
        sample.pred_instances = InstanceData(**mean.prediction())
    evaluator.process(samples)
    assert evaluator.evaluate(len(samples))['MPVPE_All'] > 0


def test_absent_side_is_zeros_and_named():
    mean = mean_of([random_sample(index, 'right') for index in range(6)])
    assert mean.unseen_sides() == ['left']
    assert not mean.prediction()['hand_vertices'][0, 1].any()


def test_split_without_meshes_is_refused(samples):
    for sample in samples:
        sample.gt_instance_labels.hand_vertices_valid = torch.zeros(1, 2)
    with pytest.raises(ValueError, match='no image of the training split'):
        mean_of(samples).prediction()
    with pytest.raises(ValueError, match='no image of the training split'):
        MeanHands().prediction()
