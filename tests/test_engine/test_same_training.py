"""The quick start learns from hands posed by the batch what it learned before."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS, MODELS

from mmhand_dne.datasets.collate import stack_crops
from mmhand_dne.randomness.pipeline import SampleKey
from tests.interhand_fixture import dataset_config, write_interhand

CONFIG = Path(__file__).parents[2] / 'configs/dne_rendered.py'
STEPS, BATCH, BOUND = 5, 4, 1e-4


class CopiedFlip:
    """A mirrored image as OpenCV copied it before."""

    def __call__(self, results):
        return dict(results, img=np.ascontiguousarray(results['img']))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_interhand(tmp_path_factory.mktemp('data'), num_frames=6)


class FormerSamples:
    """Samples as they were: their hands posed one by one, a mirrored image copied.

    A crop may differ from today's by one grey level: OpenCV 5 warps a copy otherwise.
    The losses are then of today's.
    """

    def __init__(self, config, today):
        self.today, self.former = today, DATASETS.build({**config, 'posed': True})
        self.former.pipeline.transforms.insert(2, CopiedFlip())

    def __getitem__(self, key):
        sample, crop = self.former[key], self.today[key]['inputs']
        apart = sample['inputs'].to(torch.int16) - crop
        assert apart.abs().max() <= 1
        return dict(sample, inputs=crop)


def losses_of(root, before):
    """All losses of the first steps, (STEPS, number of losses)."""
    cfg = Config.fromfile(CONFIG)
    config = {**cfg.train_dataloader.dataset, **dataset_config(root)}
    assert config['posed'] is False
    with DefaultScope.overwrite_default_scope('mmpose'):
        dataset = DATASETS.build(config)
        if before:
            dataset = FormerSamples(config, dataset)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=cfg.optim_wrapper.optimizer.lr)
    found = []
    for step in range(STEPS):
        keys = [SampleKey((BATCH * step + i) % 6, 0, step) for i in range(BATCH)]
        data = model.data_preprocessor(stack_crops([dataset[k] for k in keys]), True)
        torch.manual_seed(step)
        losses = model(**data, mode='loss')
        total, values = model.parse_losses(losses)
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimiser.step()
        found.append([float(value.detach()) for value in values.values()])
    return np.array(found)


def test_five_steps_have_the_same_losses(root):
    old, new = losses_of(root, True), losses_of(root, False)
    assert old.shape == (STEPS, old.shape[1]) and old.shape[1] > 10
    np.testing.assert_allclose(new, old, rtol=BOUND, atol=BOUND * 0.01)
