"""FreiHANDMetric and HO3DMetric against the definitions, and their refusals."""

import math

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from mmhand_dne.evaluation import FreiHANDMetric, HO3DMetric
from mmhand_dne.hand_model import HandPair
from tests.oracles import official_scores as oracle
from tests.oracles.ranks import evaluate_share, run_ranks
from tests.oracles.right_hand_samples import official, right_hand_sample

METRICS = dict(freihand=FreiHANDMetric, ho3d=HO3DMetric)
KINDS = ('noisy', 'random', 'mirrored', 'collinear', 'zero')


@pytest.fixture
def log_lines(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'mmhand_dne.evaluation.metrics.official_metric.print_log',
        lambda line, *rest: lines.append(line),
    )
    return lines


def evaluate(samples, metric):
    evaluator = Evaluator(metric)
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


def definition(pairs, protocol, given=False):
    """The oracle's scores of (sample, predicted, true) triples, with the prefix."""
    preds, gts = [], []
    for _, pred, true in pairs:
        if given:
            pred = [points - pred[0][0] + true[0][0] for points in pred]
        preds.append(official(pred, protocol))
        gts.append(official(true, protocol))
    found = oracle.scores(list(zip(*preds)), list(zip(*gts)), protocol)
    return {f'{protocol}/{name}': value for name, value in found.items()}


@pytest.mark.parametrize('protocol', METRICS)
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('root', ['predicted', 'given'])
def test_scores_equal_the_definition(kind, protocol, root):
    pairs = [right_hand_sample(index, kind=kind) for index in range(3)]
    found = evaluate([pair[0] for pair in pairs], METRICS[protocol](root=root))
    wanted = definition(pairs, protocol, given=root == 'given')
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_each_data_set_has_its_usual_place():
    assert FreiHANDMetric().root == 'predicted' and HO3DMetric().root == 'given'


def test_alignment_does_not_see_the_place():
    samples = [right_hand_sample(index)[0] for index in range(3)]
    found = [
        evaluate(samples, HO3DMetric(root=root)) for root in ('predicted', 'given')
    ]
    for name in found[0]:
        same = found[0][name] == pytest.approx(found[1][name], abs=1e-9)
        assert same == ('_al_' in name), name


def test_joints_can_be_regressed_with_the_sets_own_tips():
    sample, pred, true = right_hand_sample(0, num_vertices=778)
    hand = dict(type='HandPair', source='cc0', tips='interhand')
    found = evaluate([sample], FreiHANDMetric(hand_model=hand))
    joints = HandPair(tips='freihand').joint_regressor[0].double().numpy() @ pred[1]
    wanted = definition([(sample, [joints, pred[1]], true)], 'freihand')
    for name, value in wanted.items():
        # Its float32 rows do not sum to 1 exactly: the place leaks in.
        assert found[name] == pytest.approx(value, rel=1e-6), name


def make_sample(index):
    return right_hand_sample(index)[0]


def test_one_and_two_processes_give_the_same_bits(tmp_path):
    count = 5  # odd: the sampler repeats one image
    before = evaluate(
        [make_sample(i) for i in range(count)], [FreiHANDMetric(), HO3DMetric()]
    )
    run_ranks(
        evaluate_share,
        2,
        [FreiHANDMetric(), HO3DMetric()],
        make_sample,
        count,
        str(tmp_path / 'metrics'),
    )
    for rank in range(2):
        found = torch.load(tmp_path / f'metrics.{rank}', weights_only=True)
        assert found == [before, before]


def test_a_hand_without_place_is_infinitely_far_before_alignment(log_lines):
    samples = [right_hand_sample(index)[0] for index in range(2)]
    before = evaluate(samples, FreiHANDMetric())
    samples[1].pred_instances.hand_root_cam[0, 0] = np.nan
    found = evaluate(samples, FreiHANDMetric())
    for name, value in before.items():
        if '_al_' in name:
            assert found[name] == pytest.approx(value, abs=1e-12)
    assert found['freihand/xyz_mean3d'] == found['freihand/mesh_mean3d'] == math.inf
    alone = evaluate(samples[:1], FreiHANDMetric())
    for name in ('xyz_auc3d', 'mesh_auc3d', 'f_score_5', 'f_score_15'):
        assert found[f'freihand/{name}'] == alone[f'freihand/{name}'] / 2
    assert any('1 of 2 images have a predicted camera' in line for line in log_lines)


def test_numbers_of_another_set_are_called_so(log_lines, monkeypatch):
    evaluate([right_hand_sample(0)[0]], HO3DMetric())
    assert any(
        'official evaluation has 11,524 (v2) or 20,137 (v3)' in line
        for line in log_lines
    )
    log_lines.clear()
    monkeypatch.setattr(HO3DMetric, 'counts', dict(v2=1))
    found = evaluate([right_hand_sample(0)[0]], HO3DMetric())
    assert len(log_lines) == 1
    assert (
        f'PA-MPJPE {10 * found["ho3d/xyz_procrustes_al_mean3d"]:.2f} mm'
        in (log_lines[0])
    )


def spoil(sample):
    sample.pred_instances.hand_vertices[0, 0, 3, 2] = np.nan


def cut_joints(sample):
    sample.pred_instances.hand_joints = sample.pred_instances.hand_joints[:, :, :20]


def cut_mesh(sample):
    sample.pred_instances.hand_vertices = sample.pred_instances.hand_vertices[:, :, :5]


def no_gt(sample):
    sample.gt_instance_labels.hand_joints_valid[0, 0, 4] = 0


def no_annotation(sample):
    del sample.gt_instances


def no_prediction(sample):
    del sample.pred_instances


def no_wrist(sample):
    sample.gt_instance_labels.hand_root_valid[0, 0] = 0


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (spoil, "image 0: 'hand_vertices' holds NaN"),
        (cut_joints, r"image 0: 'hand_joints' has shape \(1, 2, 20, 3\), expected"),
        (cut_mesh, 'image 0: the predicted mesh has 5 vertices, the true one 40'),
        (no_annotation, 'image 0: gt_instances.keypoints_cam has shape None, expected'),
        (no_prediction, 'image 0: no prediction'),
        (no_wrist, "image 0: its annotation has no wrist .* use root='predicted'"),
    ],
)
def test_a_bad_sample_is_named(change, words):
    sample = right_hand_sample(0)[0]
    change(sample)
    with pytest.raises(ValueError, match=words):
        evaluate([sample], HO3DMetric())


def test_a_set_without_ground_truth_has_no_scores_but_a_hole_in_it_is_an_error(
    log_lines,
):
    samples = [right_hand_sample(index)[0] for index in range(3)]
    for sample in samples[1:]:
        no_gt(sample)
    assert evaluate(samples[1:], HO3DMetric()) == {}
    assert 'no image of this split has all joints' in log_lines[0]
    with pytest.raises(ValueError, match='image 1: HO3DMetric needs .* 2 of 3 images'):
        evaluate(samples, HO3DMetric())


def test_an_unknown_root_and_an_empty_evaluation_are_refused():
    with pytest.raises(ValueError, match="HO3DMetric: root is 'wrist', expected one"):
        HO3DMetric(root='wrist')
    with pytest.raises(ValueError, match='FreiHANDMetric got no image'):
        FreiHANDMetric().evaluate(0)
