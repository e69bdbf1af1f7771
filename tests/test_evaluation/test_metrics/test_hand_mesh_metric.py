import math

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook

from mmhand_dne.evaluation import HandMeshMetric
from tests.oracles import pose_errors as oracle
from tests.oracles.hand_samples import SIZE, batches, random_sample
from tests.oracles.ranks import evaluate_share, run_ranks

STAGES = {'': 'hand', 'coarse/': 'coarse', 'stage1/': 'stage1'}
GT_FIELDS = (
    'vertices',
    'vertices_valid',
    'joints',
    'joints_valid',
    'joints_ndc',
    'joints_ndc_valid',
    'root_cam',
    'root_valid',
)


@pytest.fixture
def log_lines(monkeypatch):
    lines = []
    for module in ('hand_mesh_metric', 'image_results'):
        monkeypatch.setattr(
            f'mmhand_dne.evaluation.metrics.{module}.print_log',
            lambda line, **kwargs: lines.append(line),
        )
    return lines


def evaluate(samples, **kwargs):
    evaluator = Evaluator(HandMeshMetric(**kwargs))
    for batch in batches(samples):
        evaluator.process(batch)
    return evaluator.evaluate(len(samples))


def oracle_errors(sample, stage):
    labels = sample.gt_instance_labels
    gt = {name: labels[f'hand_{name}'][0].numpy() for name in GT_FIELDS}
    gt['intrinsics'] = labels['crop_intrinsics'][0].numpy()
    pred = {
        name: sample.pred_instances[f'{stage}_{name}'][0]
        for name in ('vertices', 'joints', 'camera')
    }
    found = oracle.image_errors(pred, gt, SIZE)
    if stage == 'stage1':
        points = sample.pred_instances.stage1_points_ndc[0]
        found['MPVPE2D-points'] = oracle.points_error(points, gt, SIZE)
    if stage == 'hand':
        found['MPVPE2D-floor'] = oracle.floor_error(gt)
    return found


def oracle_metrics(samples):
    """Definition: groups of images by hand type, plain means over images."""
    found = {}
    for prefix, stage in STAGES.items():
        rows = [(s.hand_type, oracle_errors(s, stage)) for s in samples]
        for name in rows[0][1]:
            groups = dict(
                SH=[e[name] for kind, e in rows if kind != 'interacting'],
                IH=[e[name] for kind, e in rows if kind == 'interacting'],
                All=[e[name] for _, e in rows],
            )
            for group, values in groups.items():
                found[f'{prefix}{name}_{group}'] = oracle.mean_or_none(values)
    roots, presences = [], []
    for sample in samples:
        labels, pred = sample.gt_instance_labels, sample.pred_instances
        if labels.hand_root_valid.bool().all():
            roots.append(
                oracle.relative_root_error(
                    pred.hand_root_cam[0], labels.hand_root_cam[0].numpy()
                )
            )
        known = [h for h in range(2) if labels.hand_presence_valid[0, h]]
        if known:
            presences.append(
                all(
                    (pred.hand_presence[0, h] > 0.5)
                    == labels.hand_presence[0, h].bool()
                    for h in known
                )
            )
    found['MRRPE'] = oracle.mean_or_none(roots)
    found['presence_acc'] = oracle.mean_or_none([float(p) for p in presences])
    return found


def test_metrics_equal_the_definition():
    samples = [random_sample(index) for index in range(12)]
    found, wanted = evaluate(samples), oracle_metrics(samples)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_all_pools_images_and_not_hands():
    samples = [random_sample(0, 'right'), random_sample(1, 'interacting')]
    for sample in samples:
        labels = sample.gt_instance_labels
        labels.hand_joints_valid = labels.hand_presence[..., None].repeat(1, 1, 21)
    found = evaluate(samples)
    assert found['MPJPE_All'] == pytest.approx(
        (found['MPJPE_SH'] + found['MPJPE_IH']) / 2
    )


def test_errors_do_not_depend_on_the_predicted_presence():
    samples = [random_sample(index) for index in range(4)]
    before = evaluate(samples)
    for sample in samples:
        sample.pred_instances.hand_presence = np.zeros((1, 2), np.float32)
    after = evaluate(samples)
    assert before.pop('presence_acc') != after.pop('presence_acc')
    assert before == after


def test_hand_type_may_be_two_flags():
    samples = [random_sample(index) for index in range(6)]
    before = evaluate(samples)
    flags = dict(right=[1.0, 0.0], left=[0.0, 1.0], interacting=[1.0, 1.0])
    for sample in samples:
        sample.set_metainfo(dict(hand_type=np.array([flags[sample.hand_type]])))
    assert evaluate(samples) == before


def test_order_batches_and_repeats_do_not_change_a_bit():
    samples = [random_sample(index) for index in range(7)]
    before = evaluate(samples)
    metric = HandMeshMetric()
    for index in (3, 1, 6, 0, 5, 2, 4, 3, 1):
        metric.process(None, [samples[index].to_dict()])
    assert metric.evaluate(7) == before
    assert not metric.results
    metric.process(None, [sample.to_dict() for sample in samples])  # all at once
    assert metric.evaluate(7) == before


def test_a_final_mesh_that_is_the_last_stage_is_measured_as_it():
    samples = [random_sample(index) for index in range(4)]
    wanted = evaluate(samples)
    for sample in samples:
        for name in ('vertices', 'joints', 'camera'):
            fields = sample.pred_instances
            fields.set_field(fields[f'stage1_{name}'].copy(), f'hand_{name}')
    found = evaluate(samples)
    for name in ('MPVPE_All', 'PA-MPJPE_IH', 'MPVPE2D_All'):
        assert found[name] == found[f'stage1/{name}'] == wanted[f'stage1/{name}']


def test_images_of_other_stages_in_a_batch_are_refused():
    samples = [random_sample(index) for index in range(3)]
    del samples[1].pred_instances.coarse_vertices
    metric = HandMeshMetric()
    metric.process(None, [sample.to_dict() for sample in samples])
    with pytest.raises(ValueError, match='image 1001 has the errors'):
        metric.evaluate(3)


def test_the_second_bad_image_of_a_batch_is_named():
    samples = [random_sample(index) for index in range(3)]
    samples[1].pred_instances.hand_joints[0, 1, 4, 0] = np.inf
    with pytest.raises(ValueError, match="image 1001: 'hand_joints' holds NaN"):
        HandMeshMetric().process(None, [sample.to_dict() for sample in samples])
    samples = [random_sample(index) for index in range(3)]
    labels = samples[2].gt_instance_labels
    labels.hand_vertices = labels.hand_vertices[:, :, :7]
    with pytest.raises(ValueError, match=r"image 1002: 'hand_vertices' has shape"):
        HandMeshMetric().process(None, [sample.to_dict() for sample in samples])


def test_a_fronto_parallel_mesh_has_no_floor():
    """Points of one depth are seen alike by both kinds of camera."""
    sample = random_sample(0, 'interacting')
    labels = sample.gt_instance_labels
    labels.hand_vertices_valid = labels.hand_root_valid = torch.ones(1, 2)
    labels.crop_intrinsics[:, 0, 1] = 0  # skew mixes the axes
    curved = evaluate([sample])['MPVPE2D-floor_All']
    labels.hand_vertices[..., 2] = 0
    flat = evaluate([sample])['MPVPE2D-floor_All']
    assert curved > 0.1 and flat < 1e-4


def test_images_of_two_sets_with_one_index_both_count():
    samples = [random_sample(0), random_sample(0, seed=1)]
    for sample, kind in zip(samples, 'ab', strict=True):
        sample.set_metainfo(dict(img_path=f'{kind}/0.jpg'))
    found = [evaluate([sample])['MPJPE_All'] for sample in samples]
    assert evaluate(samples)['MPJPE_All'] == pytest.approx(sum(found) / 2)


def test_two_processes_give_the_same_bits(tmp_path):
    count = 7  # odd: the sampler repeats one image
    before = evaluate([random_sample(index) for index in range(count)])
    metric, path = HandMeshMetric(), str(tmp_path / 'metrics')
    run_ranks(evaluate_share, 2, metric, random_sample, count, path)
    for rank in range(2):
        found = torch.load(tmp_path / f'metrics.{rank}', weights_only=True)
        assert found == [before, before]  # in order, shuffled


def test_group_without_images_is_left_out():
    found = evaluate([random_sample(index, 'left') for index in range(3)])
    assert not [name for name in found if name.endswith('_IH')]
    assert 'MRRPE' not in found
    assert found['MPJPE_SH'] == found['MPJPE_All']


def test_set_without_meshes_keeps_save_best_alive(log_lines):
    samples = [random_sample(index) for index in range(3)]
    for sample in samples:
        sample.gt_instance_labels.hand_vertices_valid = torch.zeros(1, 2)
    found = evaluate(samples)
    assert math.isnan(found['MPVPE_All']) and 'MPVPE_SH' not in found
    assert found['MPJPE_All'] > 0
    assert any('ground truth for' in line and 'MPVPE_SH' in line for line in log_lines)
    hook = CheckpointHook(save_best='MPVPE_All', rule='less')
    better = hook.is_better_than['MPVPE_All']
    assert better(1.0, math.inf) and not better(found['MPVPE_All'], math.inf)


def test_hand_without_place_is_named_in_a_warning(log_lines):
    samples = [random_sample(index, 'interacting') for index in range(4)]
    for sample in samples:
        sample.gt_instance_labels.hand_root_valid = torch.ones(1, 2)
    wanted = evaluate(samples[1:])['MRRPE']
    samples[0].pred_instances.hand_root_cam[0, 1] = np.nan
    assert evaluate(samples)['MRRPE'] == wanted
    assert any('MRRPE leaves out 1 of 4 images' in line for line in log_lines)


def drop(name):
    def change(sample):
        del sample.pred_instances[name]

    return change


def spoil(sample):
    sample.pred_instances.coarse_vertices[0, 1, 3, 2] = np.nan


def cut(sample):
    sample.pred_instances.hand_vertices = sample.pred_instances.hand_vertices[:, :, :5]


def no_prediction(sample):
    del sample.pred_instances


def no_gt(sample):
    del sample.gt_instance_labels


def no_type(sample):
    sample.set_metainfo(dict(hand_type='both'))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (spoil, "image 1002: 'coarse_vertices' holds NaN"),
        (drop('hand_camera'), "image 1002: 'hand_camera' is missing"),
        (drop('coarse_joints'), "image 1002: 'coarse_joints' is missing"),
        (cut, r"image 1002: 'hand_vertices' has shape \(1, 2, 5, 3\), expected"),
        (no_prediction, 'image 1002: no prediction'),
        (no_gt, "image 1002: 'hand_vertices' is missing"),
        (no_type, "image 1002: hand_type is 'both'"),
    ],
)
def test_bad_sample_is_named(change, words):
    sample = random_sample(2)
    change(sample)
    with pytest.raises(ValueError, match=words):
        evaluate([sample])


def test_empty_evaluation_is_refused():
    with pytest.raises(ValueError, match='evaluated split is empty'):
        HandMeshMetric().evaluate(0)
