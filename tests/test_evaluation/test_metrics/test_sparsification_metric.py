import csv

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from scipy.integrate import simpson

from mmhand_dne.conventions import OPENPOSE_JOINTS
from mmhand_dne.evaluation import SparsificationMetric
from mmhand_dne.gaussian.calibration import LEVELS
from tests.oracles import sparsification as oracle
from tests.oracles.hand_samples import batches, random_sample
from tests.oracles.ranks import evaluate_share, run_ranks
from tests.oracles.uncertain_samples import uncertain_sample
from tests.test_evaluation.test_functional.test_sparsification import (
    GOLDEN,
    golden_pairs,
)

FILES = {
    f'{mode}_{name}'
    for mode, names in dict(
        standard=(
            'curves.csv',
            'curves.png',
            'error_uncertainty.csv',
            'joints.csv',
            'error_uncertainty.png',
            'reliability.csv',
            'reliability.png',
        ),
        released=(
            'curves.csv',
            'curves.png',
            'error_uncertainty.csv',
            'error_uncertainty.png',
        ),
    ).items()
    for name in names
}


@pytest.fixture(autouse=True)
def no_run(monkeypatch):
    """No folder of a run that an earlier test left in the current logger."""
    monkeypatch.setattr(MMLogger.get_current_instance(), '_log_file', None)


def evaluate(samples, **kwargs):
    evaluator = Evaluator(SparsificationMetric(**kwargs))
    for batch in batches(samples):
        evaluator.process(batch)
    return evaluator.evaluate(len(samples))


def visible_hands(samples):
    """Residual (20, 3), covariance (60, 60), visible (20) of known hands."""
    for sample in samples:
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        for h in range(2):
            visible = gt.hand_joints_valid[0, h, 1:].numpy() > 0
            covariance = pred.hand_joint_covariance[0, h].astype(float)
            if len(covariance) == 63:
                covariance = oracle.aligned_covariance(covariance)
            joints = pred.hand_joints[0, h].astype(float)
            true = gt.hand_joints[0, h].double().numpy()
            if visible.any():
                yield true[1:] - (joints[1:] - joints[0]), covariance, visible


def oracle_metrics(samples):
    errors, variances, joints, hands, nll, coordinates = [], [], [], [], 0.0, 0
    for residual, covariance, visible in visible_hands(samples):
        hand_nll, _, dims = oracle.hand_density(residual, covariance, visible)
        nll, coordinates = nll + hand_nll, coordinates + dims
        hands.append((residual, covariance, visible))
        for k in np.flatnonzero(visible):
            errors.append(1000 * np.linalg.norm(residual[k]))
            block = covariance[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
            variances.append(1e6 * np.trace(block))
            joints.append((residual, covariance, np.arange(20) == k))
    found = oracle.standard_scores(errors, variances)
    found['NLL'] = nll / coordinates
    found['sharpness'] = np.mean(np.sqrt(variances))
    for q in (50, 90, 95):
        for name, group in ((f'coverage_{q}', joints), (f'coverage_hand_{q}', hands)):
            found[name] = np.mean([oracle.is_covered(*hand, q) for hand in group])
    return found


@pytest.mark.parametrize('dims', [60, 63])
def test_scores_equal_the_definition(dims):
    samples = [uncertain_sample(index, dims=dims) for index in range(9)]
    wanted = oracle_metrics(samples)
    found = evaluate(samples)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_nll_is_in_nats_a_coordinate_of_a_metre():
    sample = uncertain_sample(0, 'right')
    sample.gt_instance_labels.hand_joints_valid = torch.ones(1, 2, 21)
    sample.pred_instances.hand_joints[:] = sample.gt_instance_labels.hand_joints
    sample.pred_instances.hand_joint_covariance[:] = 0.01**2 * np.eye(60)
    wanted = 0.5 * np.log(2 * np.pi) + np.log(0.01)  # of N(0, (1 cm)^2) at its mean
    assert evaluate([sample])['NLL'] == pytest.approx(wanted, rel=1e-6)


def test_released_mode_gives_the_authors_numbers():
    """Their unaligned error in float64, by which each joint is displaced."""
    error, variance = golden_pairs()
    samples = []
    for i in range(200):
        sample = uncertain_sample(i, 'right', dims=63, dtype=np.float64)
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        gt.hand_joints_valid = torch.tensor([1.0, 0])[None, :, None].expand(1, 2, 21)
        gt.hand_root_valid = torch.ones(1, 2)
        gt.hand_joints, gt.hand_root_cam = (
            torch.zeros(1, 2, 21, 3),
            torch.zeros(1, 2, 3),
        )
        pred.hand_root[:] = [0.25, 0, 0]  # the frame's wrist counts
        joints = np.zeros((1, 2, 21, 3))
        joints[0, 0, :, 0] = error[:, i] - 0.25
        pred.hand_joints = joints
        pred.hand_joint_covariance[0, 0] = np.diag(np.repeat(variance[:, i] / 3, 3))
        samples.append(sample)
    found = evaluate(samples, mode='released')
    wanted = {f'released/{name}': value for name, value in GOLDEN.items()}
    assert found == pytest.approx(wanted, abs=1e-9, rel=0)


def test_released_mode_moves_with_the_camera_and_standard_does_not():
    samples = [uncertain_sample(index, dims=63) for index in range(8)]
    before = [evaluate(samples, mode=mode) for mode in ('standard', 'released')]
    for sample in samples:
        sample.gt_instance_labels.hand_root_cam += 0.1
    after = [evaluate(samples, mode=mode) for mode in ('standard', 'released')]
    assert before[0] == after[0]
    assert abs(before[1]['released/AUSC'] - after[1]['released/AUSC']) > 1


def test_released_mode_can_keep_the_axes_of_ho3d():
    """The authors subtract predictions in camera axes from truth in OpenGL's."""
    samples = [uncertain_sample(index, 'right', dims=63) for index in range(8)]
    errors = []
    for sample in samples:
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        gt.hand_joints_valid = torch.tensor([1.0, 0])[None, :, None].expand(1, 2, 21)
        gt.hand_root_valid = torch.ones(1, 2)
        truth = np.array(gt.hand_joints[0, 0] + gt.hand_root_cam[0, 0], np.float64)
        truth[:, 1:] *= -1
        found = np.array(pred.hand_joints[0, 0]) + np.array(pred.hand_root[0, 0])
        errors.append(np.linalg.norm(truth - found, axis=-1))
    scores = evaluate(samples, mode='released', axes='opengl')
    by_error = np.sort(np.concatenate(errors))
    kept = [int(len(by_error) * p / 100) for p in range(2, 101, 2)]
    curve = [10 * by_error[:count].mean() for count in kept]
    oracle = scores['released/AUSC_oracle']
    assert oracle == pytest.approx(simpson(curve, x=np.arange(2, 101, 2)), rel=1e-5)
    assert oracle != pytest.approx(
        evaluate(samples, mode='released')['released/AUSC_oracle'], rel=0.01
    )


@pytest.mark.parametrize('mode, axes', [('released', 'ho3d'), ('standard', 'opengl')])
def test_unknown_axes_are_refused(mode, axes):
    with pytest.raises(ValueError, match="set 'camera', or 'opengl' with mode="):
        SparsificationMetric(mode, axes=axes)


def test_order_and_repeats_do_not_change_a_bit():
    samples = [uncertain_sample(index) for index in range(7)]
    before = evaluate(samples)
    metric = SparsificationMetric()
    for index in (3, 1, 6, 0, 5, 2, 4, 3, 1):
        metric.process(None, [samples[index].to_dict()])
    assert metric.evaluate(7) == before


def all_joints(index):
    return uncertain_sample(index, dims=63)


def test_two_processes_give_the_same_bits(tmp_path):
    count = 7  # odd: the sampler repeats one image
    samples = [all_joints(index) for index in range(count)]
    modes, path = ('standard', 'released'), str(tmp_path / 'metrics')
    wanted = {}
    for mode in modes:
        wanted.update(evaluate(samples, mode=mode))
    metrics = [SparsificationMetric(mode) for mode in modes]
    run_ranks(evaluate_share, 2, metrics, all_joints, count, path)
    for rank in range(2):
        found = torch.load(f'{path}.{rank}', weights_only=True)
        assert found == [wanted, wanted]


def test_state_is_small():
    metric = SparsificationMetric()
    metric.process(None, [uncertain_sample(0).to_dict()])
    record = metric.results[0]
    assert record['error'].dtype == record['variance'].dtype == np.float32
    sizes = [v.nbytes for v in record.values() if isinstance(v, np.ndarray)]
    assert sum(sizes) <= 2 * 20 * (3 * 4 + 1) + 2 * 20


def test_slot_without_ground_truth_may_be_padded_with_zeros():
    samples = [uncertain_sample(index, 'right') for index in range(3)]
    before = evaluate(samples)
    for sample in samples:
        sample.pred_instances.hand_joint_covariance[:, 1] = 0
        sample.pred_instances.hand_joints[:, 1] = 0
    assert evaluate(samples) == before


def test_joint_that_is_never_visible_is_named_and_left_out(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'mmhand_dne.evaluation.metrics.sparsification_report.print_log',
        lambda line, *_: lines.append(line),
    )
    samples = [uncertain_sample(index) for index in range(4)]
    for sample in samples:
        sample.gt_instance_labels.hand_joints_valid[:, :, 4] = 0
    found = evaluate(samples, per_joint=True)
    assert lines == ['No image of this split shows: thumb4']
    assert 'thumb4/AUSE' not in found and found['thumb3/AUSE'] >= 0


def test_scores_of_a_joint_equal_those_of_its_pairs_alone():
    samples = [uncertain_sample(index) for index in range(8)]
    found = evaluate(samples, per_joint=True)
    for sample in samples:
        valid = sample.gt_instance_labels.hand_joints_valid
        valid[:, :, torch.arange(21) != OPENPOSE_JOINTS.index('ring2')] = 0
    alone = evaluate(samples)
    shared = [name for name in alone if not name.startswith('coverage_hand')]
    for name in shared:
        assert found[f'ring2/{name}'] == pytest.approx(alone[name], rel=1e-6), name
    assert alone['coverage_90'] == alone['coverage_hand_90']


def read_rows(path):
    with open(path, newline='') as file:
        return list(csv.reader(file))


def test_files_hold_the_curves_and_pictures(tmp_path):
    samples = [uncertain_sample(index, dims=63) for index in range(8)]
    folder = tmp_path / 'new' / 'folder'
    for mode in ('standard', 'released'):
        found = evaluate(samples, mode=mode, out_dir=str(folder))
    assert {path.name for path in folder.iterdir()} == FILES
    for path in folder.glob('*.png'):
        picture = cv2.imread(str(path))
        assert picture.shape[0] > 400 and len(np.unique(picture)) > 5
    header, *rows = read_rows(folder / 'standard_curves.csv')
    assert header == ['kept [%]', 'model [mm]', 'oracle [mm]', 'random [mm]']
    curves = np.array(rows, float)
    assert len(curves) == 100 and np.ptp(curves[-1, 1:]) < 1e-9
    standard = evaluate(samples, out_dir=str(folder))
    area = np.sum((curves[1:, 1] + curves[:-1, 1]) / 2 * 0.01) / 0.99
    assert area == pytest.approx(standard['AUSC'])
    released = np.array(read_rows(folder / 'released_curves.csv')[1:], float)
    np.testing.assert_array_equal(released[:, 0], np.arange(2, 101, 2))
    assert released[-1, 1] == pytest.approx(released[-1, 2])
    assert found['released/AUSC'] / 98 == pytest.approx(released[:, 1].mean(), rel=0.1)


def test_files_hold_joints_reliability_and_histogram(tmp_path):
    samples = [uncertain_sample(index) for index in range(8)]
    found = evaluate(samples, out_dir=str(tmp_path))
    header, pooled, *joints = read_rows(tmp_path / 'standard_joints.csv')
    assert [row[0] for row in joints] == list(OPENPOSE_JOINTS[1:])
    assert float(pooled[header.index('AUSE')]) == found['AUSE']
    reliability = np.array(read_rows(tmp_path / 'standard_reliability.csv')[1:], float)
    np.testing.assert_allclose(reliability[:, 0], LEVELS)
    assert reliability[17, 1] == pytest.approx(found['coverage_90'])
    assert reliability[9, 2] == pytest.approx(found['coverage_hand_50'])
    counts = np.array(read_rows(tmp_path / 'standard_error_uncertainty.csv')[1:], float)
    valid = sum(int(h[2].sum()) for h in visible_hands(samples))
    assert counts[:, 2].sum() == valid


def test_default_folder_is_below_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(
        MMLogger.get_current_instance(), '_log_file', str(tmp_path / 'run.log')
    )
    samples = [uncertain_sample(index) for index in range(3)]
    evaluate(samples)
    assert (tmp_path / 'sparsification/standard_curves.csv').exists()
    evaluate(samples, out_dir='mine')
    assert (tmp_path / 'mine/standard_curves.csv').exists()


def test_without_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate([uncertain_sample(index) for index in range(3)])
    assert not list(tmp_path.iterdir())


def deterministic(sample):
    del sample.pred_instances.hand_joint_covariance


def all_zero(sample):
    sample.pred_instances.hand_joint_covariance[:] = 0


def not_positive(sample):
    sample.pred_instances.hand_joint_covariance[:, :, 0, 0] = -1


def not_a_number(sample):
    sample.pred_instances.hand_joint_covariance[0, 0, 3, 2] = np.nan


def bad_gt(sample):
    sample.gt_instance_labels.hand_joints[0, 0, 3, 2] = float('nan')


def two_dimensional(sample):
    sample.pred_instances.hand_joint_covariance = np.ones((1, 2, 40, 40))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (deterministic, 'image 1002: .*deterministic; give it uncertainty_head='),
        (all_zero, 'image 1002: .*deterministic; give it uncertainty_head='),
        (not_positive, 'image 1002: the covariance is not positive definite'),
        (not_a_number, "image 1002: 'hand_joint_covariance' holds NaN"),
        (bad_gt, "image 1002: 'hand_joints' holds NaN"),
        (two_dimensional, "image 1002: 'hand_joint_covariance' is 40 x 40, expected"),
    ],
)
def test_bad_sample_is_named(change, words):
    sample = uncertain_sample(2, 'interacting')
    sample.gt_instance_labels.hand_joints_valid = torch.ones(1, 2, 21)
    change(sample)
    with pytest.raises(ValueError, match=words):
        evaluate([sample])


def test_released_mode_needs_the_wrist_and_the_frame():
    with pytest.raises(ValueError, match='all 21 joints, found 60 coordinates'):
        evaluate([uncertain_sample(0)], mode='released')
    sample = uncertain_sample(0, dims=63)
    del sample.pred_instances.hand_root
    with pytest.raises(ValueError, match="'hand_root' is missing"):
        evaluate([sample], mode='released')


def test_empty_evaluation_is_refused():
    with pytest.raises(ValueError, match='evaluated split is empty'):
        SparsificationMetric().evaluate(0)


def test_set_without_visible_joints_is_refused():
    sample = uncertain_sample(0)
    sample.gt_instance_labels.hand_joints_valid = torch.zeros(1, 2, 21)
    with pytest.raises(ValueError, match='no joint with ground truth'):
        evaluate([sample])


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="unknown mode 'release'"):
        SparsificationMetric('release')


def test_sample_without_prediction_is_named():
    sample = random_sample(2)
    del sample.pred_instances
    with pytest.raises(ValueError, match='image 1002: no prediction'):
        evaluate([sample])
