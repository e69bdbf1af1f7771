"""Scores of a dump are the scores of the run that wrote it, to the bit."""

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from mmhand_dne.evaluation import DumpPredictions, HandMeshMetric, SparsificationMetric
from mmhand_dne.evaluation.metrics.dump_predictions import dumped_samples
from mmhand_dne.fileio.dump_file import DumpFile
from tests.oracles.hand_samples import random_sample
from tests.oracles.ranks import evaluate_share, run_ranks
from tests.oracles.uncertain_samples import uncertain_sample


def run(samples, *metrics):
    evaluator = Evaluator(list(metrics))
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def score(path, *metrics):
    for sample in dumped_samples(DumpFile(path)):
        for metric in metrics:
            metric.process(None, [sample])
    found = {}
    for metric in metrics:
        found.update(metric.evaluate(0))
    return found


def test_a_dump_scores_as_the_run_did(tmp_path):
    samples = [uncertain_sample(index) for index in (3, 0, 4, 1, 2)]
    path = tmp_path / 'new' / 'predictions.npz'
    wanted = run(
        samples, HandMeshMetric(), SparsificationMetric(), DumpPredictions(str(path))
    )
    found = score(path, HandMeshMetric(), SparsificationMetric())
    final = {k: v for k, v in wanted.items() if '/' not in k}  # no single stages
    assert found == final and 'AUSE' in found
    assert not list(path.parent.glob('*.parts'))
    assert [s['img_path'] for s in dumped_samples(DumpFile(path))] == [
        f'{index}.jpg' for index in range(5)
    ]


def test_two_processes_write_the_same_bytes(tmp_path):
    count, paths = 5, [str(tmp_path / f'{name}.npz') for name in ('one', 'two')]
    run([random_sample(index) for index in range(count)], DumpPredictions(paths[0]))
    run_ranks(
        evaluate_share,
        2,
        DumpPredictions(paths[1]),
        random_sample,
        count,
        str(tmp_path / 'metrics'),
    )
    one, two = (np.load(path) for path in paths)
    assert set(one.files) == set(two.files)
    for key in one.files:
        np.testing.assert_array_equal(one[key], two[key])


def test_fields_can_be_chosen_and_ground_truth_left_out(tmp_path):
    path = tmp_path / 'dump.npz'
    run(
        [random_sample(0)],
        DumpPredictions(str(path), fields=['coarse_vertices'], with_gt=False),
    )
    names = {key for key in np.load(path).files if not key.startswith('meta/')}
    assert names == {'header', 'order', 'pred/coarse_vertices'}


def test_nothing_is_kept_in_memory(tmp_path):
    metric = DumpPredictions(str(tmp_path / 'dump.npz'))
    metric.process(None, [random_sample(index).to_dict() for index in range(3)])
    assert not metric.results and metric.rows.count == 3


def test_mistakes_are_one_sentence(tmp_path):
    path = str(tmp_path / 'dump.npz')
    with pytest.raises(ValueError, match="out_file is 'a.pkl', expected a name that"):
        DumpPredictions('a.pkl')
    with pytest.raises(ValueError, match='DumpPredictions got no image'):
        DumpPredictions(path).evaluate(0)
    with pytest.raises(ValueError, match='.stage9_vertices. is not predicted'):
        run([random_sample(0)], DumpPredictions(path, fields=['stage9_vertices']))
    sample = random_sample(0)
    del sample.pred_instances
    with pytest.raises(ValueError, match='image 1000: no pred_instances to dump'):
        run([sample], DumpPredictions(path))
    sample = random_sample(0)
    sample.pred_instances = InstanceData(boxes=np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r'.boxes. has shape \(3, 4\), expected one'):
        run([sample], DumpPredictions(path))
