import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmpose.registry import DATASETS

from tests.oracles.hand_samples import SIZE, random_sample
from tests.oracles.pose_errors import mean_error

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/constant_predictor.py'
CONFIG = """
train_dataloader = dict(dataset=dict(
    type='RepeatDataset', times=1, dataset=dict(
        type='RandomHands', count=9, seed=0, pipeline=[])))
test_dataloader = dict(dataset=dict(
    type='RandomHands', count=5, seed=1, pipeline=[]))
val_dataloader = dict(dataset=dict(
    type='RandomHands', count=4, seed=2, pipeline=[]))
test_evaluator = [dict(type='HandMeshMetric'), dict(type='InterHandMetric')]
val_evaluator = dict(type='HandMeshMetric')
"""


class RandomHands(BaseDataset):
    """Ground truth of random hands, with the loading interface of any data set."""

    def __init__(self, count, seed, pipeline, **kwargs):
        self.count, self.seed = count, seed
        super().__init__(pipeline=pipeline, **kwargs)

    def load_data_list(self):
        return [dict(index=index) for index in range(self.count)]

    def prepare_data(self, index):
        index = self.get_data_info(index)['index']
        sample = random_sample(index, seed=self.seed)
        del sample.pred_instances
        return dict(inputs=torch.zeros(3, *SIZE[::-1]), data_samples=sample)


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setitem(DATASETS._module_dict, 'RandomHands', RandomHands)
    spec = importlib.util.spec_from_file_location('constant_predictor', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def labels(count, seed):
    return [random_sample(i, seed=seed).gt_instance_labels for i in range(count)]


def oracle(train, test):
    """MPVPE of the training set's mean vertices on the test set, image by image."""
    images = []
    for gt in test:
        hands = []
        for h in range(2):
            mean = np.mean(
                [
                    t.hand_vertices[0, h].numpy()
                    for t in train
                    if t.hand_vertices_valid[0, h]
                ],
                0,
            )
            valid = [bool(gt.hand_vertices_valid[0, h])] * len(mean)
            true = 1000 * gt.hand_vertices[0, h].numpy()
            hands.append(mean_error(1000 * mean, true, valid))
        hands = [error for error in hands if error is not None]
        if hands:
            images.append(sum(hands) / len(hands))
    return sum(images) / len(images)


@pytest.mark.parametrize(('split', 'count', 'seed'), [('test', 5, 1), ('val', 4, 2)])
def test_mean_of_training_split_is_measured_on_the_other(
    tool, tmp_path, split, count, seed
):
    config, out = tmp_path / 'config.py', tmp_path / 'new' / 'constant.json'
    config.write_text(CONFIG)
    tool.main([str(config), '--split', split, '--out', str(out)])
    metrics = json.loads(out.read_text())
    wanted = oracle(labels(9, 0), labels(count, seed))
    assert metrics['MPVPE_All'] == pytest.approx(wanted, rel=1e-5)


def test_large_training_split_is_thinned_evenly(tool, tmp_path, capsys):
    config, out = tmp_path / 'config.py', tmp_path / 'constant.json'
    config.write_text(CONFIG)
    tool.main([str(config), '--max-train', '6', '--out', str(out)])
    assert 'mean of 6 evenly spaced of 9' in capsys.readouterr().out
    train = [labels(9, 0)[i] for i in (0, 1, 3, 4, 6, 7)]
    metrics = json.loads(out.read_text())
    wanted = oracle(train, labels(5, 1))
    assert metrics['MPVPE_All'] == pytest.approx(wanted, rel=1e-5)


def test_training_split_is_read_without_augmentation(tool):
    train = dict(type='A', datasets=[dict(pipeline=['flip']), dict(pipeline=['turn'])])
    pipeline = tool.find_pipeline(dict(dataset=dict(pipeline=['crop'])))
    tool.replace_pipeline(train, pipeline)
    assert [part['pipeline'] for part in train['datasets']] == [['crop'], ['crop']]
