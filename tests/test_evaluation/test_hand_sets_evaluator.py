"""A mixture validated on its parts: every set has its own scores in one run."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, EVALUATORS, MODELS

import mmhand_dne  # noqa: F401
from mmhand_dne.engine.runner.shared_hand import share_hand_model
from mmhand_dne.evaluation import HandMeshMetric
from tests.interhand_fixture import dataset_config, write_interhand
from tests.right_hand_fixture import write_ho3d

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='MeshCrop', input_size=32),
    dict(type='PackHandInputs'),
]


@pytest.fixture(scope='module')
def parts(tmp_path_factory):
    """InterHand2.6M (4 images), another set of that class (3), HO-3D (2)."""
    roots = [tmp_path_factory.mktemp(name) for name in ('interhand', 'other', 'ho3d')]
    write_interhand(roots[0], num_frames=4)
    write_interhand(roots[1], num_frames=3, seed=1)
    write_ho3d(roots[2], 2)
    one, other = (
        dict(type='InterHandMeshDataset', **dataset_config(root, pipeline=PIPELINE))
        for root in roots[:2]
    )
    ho3d = dict(
        type='HO3DMeshDataset',
        data_root=str(roots[2]),
        ann_file='train.txt',
        pipeline=PIPELINE,
    )
    return [one, dict(other, metainfo=dict(dataset_name='other')), ho3d]


def predicted(dataset):
    """Packed samples whose prediction is the truth plus millimetres by index."""
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        gt, offset = sample.gt_instance_labels, 1e-3 * (index + 1)
        shift = np.array([offset, 0, 0], np.float32)
        sample.pred_instances = InstanceData(
            hand_vertices=gt.hand_vertices.numpy() + shift,
            hand_joints=gt.hand_joints.numpy(),
            hand_camera=np.ones((1, 2, 2, 2), np.float32),
            hand_root_cam=gt.hand_root_cam.numpy(),
            hand_presence=gt.hand_presence.numpy(),
        )
        yield sample


def test_every_set_is_scored_as_alone(parts):
    """The mixture in one loader gives each set the numbers that it has by itself."""
    mixture = DATASETS.build(dict(type='MixedHandDataset', datasets=parts))
    names = ['interhand26m', 'other', 'ho3d']
    evaluator = EVALUATORS.build(
        dict(
            type='HandSetsEvaluator',
            datasets=[*names, 'ho3d'],
            metrics=[dict(type='HandMeshMetric')] * 3
            + [dict(type='HandMeshMetric', prefix='again')],
        )
    )
    evaluator.dataset_meta = mixture.metainfo
    samples = list(predicted(mixture))
    for start in range(0, len(samples), 5):  # a batch holds several sets
        evaluator.process(samples[start : start + 5])
    found, first = evaluator.evaluate(len(samples)), 0
    for name, part in zip(names, parts):
        count = len(DATASETS.build(part))
        alone = Evaluator(HandMeshMetric())
        alone.process(samples[first : first + count])
        wanted = alone.evaluate(count)
        first += count
        assert {f'{name}/{key}': value for key, value in wanted.items()}.items() <= (
            found.items()
        )
    assert found['again/MPVPE_All'] == found['ho3d/MPVPE_All']
    assert len({found[f'{name}/MPVPE_All'] for name in names}) == 3


def test_a_set_without_metrics_is_named(parts):
    evaluator = EVALUATORS.build(
        dict(
            type='HandSetsEvaluator',
            datasets=['interhand26m'],
            metrics=[dict(type='HandMeshMetric')],
        )
    )
    samples = list(predicted(DATASETS.build(parts[1])))
    with pytest.raises(ValueError, match="of the set 'other', which has no metric"):
        evaluator.process(samples)


def test_metrics_and_sets_come_in_pairs():
    with pytest.raises(ValueError, match='1 metrics of the sets .*; name for each'):
        EVALUATORS.build(
            dict(
                type='HandSetsEvaluator',
                datasets=['a', 'b'],
                metrics=[dict(type='HandMeshMetric')],
            )
        )


def test_mmposes_evaluator_tells_our_classes_apart(parts):
    """MMPose's evaluator and mixture know a set by its class's name."""
    evaluator = EVALUATORS.build(
        dict(
            type='MultiDatasetEvaluator',
            metrics=[dict(type='HandMeshMetric', prefix=name) for name in 'ab'],
            datasets=[parts[0], parts[2]],
        )
    )
    mixture = DATASETS.build(
        dict(
            type='CombinedDataset',
            metainfo=dict(from_file='configs/_base_/datasets/interhand3d.py'),
            datasets=[parts[0], parts[2]],
            pipeline=[],
            test_mode=True,
        )
    )
    evaluator.dataset_meta = mixture.metainfo
    batch = pseudo_collate([mixture[index] for index in range(len(mixture))])
    preprocess = MODELS.build(
        dict(type='HandDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)
    )
    assert set(preprocess(batch)) == {'inputs', 'data_samples'}  # what forward takes
    samples = list(predicted(mixture))
    evaluator.process(samples, batch)
    found = evaluator.evaluate(len(mixture))
    for name, own in (('a', samples[:4]), ('b', samples[4:])):
        alone = Evaluator(HandMeshMetric())
        alone.process(own)
        wanted = alone.evaluate(len(own))['MPVPE_All']
        assert found[f'{name}/MPVPE_All'] == wanted
    assert found['a/MPVPE_All'] != found['b/MPVPE_All']


def test_a_dump_of_several_sets_scores_as_the_run(parts, tmp_path, monkeypatch):
    """What tools/test.py --dump adds sees all sets; the dump knows them apart."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))
    import score_predictions

    cfg = Config(
        dict(
            test_evaluator=dict(
                type='HandSetsEvaluator',
                datasets=['interhand26m', 'ho3d'],
                metrics=[dict(type='HandMeshMetric')] * 2,
            )
        )
    )
    path = tmp_path / 'predictions.npz'
    config = tmp_path / 'config.py'
    cfg.dump(config)
    runpy.run_path(str(ROOT / 'tools/test.py'))['dump_predictions'](cfg, str(path))
    mixture = DATASETS.build(
        dict(type='MixedHandDataset', datasets=[parts[0], parts[2]])
    )
    evaluator = EVALUATORS.build(cfg.test_evaluator)
    evaluator.process(list(predicted(mixture)))
    wanted = evaluator.evaluate(len(mixture))
    args = score_predictions.parse_args([str(path), '--config', str(config)])
    assert score_predictions.score_dump(args) == wanted
    assert {'interhand26m/MPVPE_All', 'ho3d/MPVPE_All'} <= set(wanted)


def test_the_hand_of_the_run_reaches_metrics_of_sets():
    hand = dict(type='HandPair', source='some/folder', tips='interhand')
    cfg = Config(
        dict(
            hand_model=hand,
            val_evaluator=dict(
                type='HandSetsEvaluator',
                datasets=['interhand26m'],
                metrics=[dict(type='HandMeshMetric', hand_model=dict(source='cc0'))],
            ),
        )
    )
    share_hand_model(cfg)
    assert cfg.val_evaluator.metrics[0].hand_model == hand
