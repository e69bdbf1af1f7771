"""What a GPU computes is what a CPU computes: the models, their losses, their draws."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.randomness.keys import normal_from_keys
from tests.fake_samples import fake_samples

ROOT = Path(__file__).parents[2]
SIZE = 64
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no GPU here')
DEVICES = [
    pytest.param('cpu', id='on_cpu'),
    pytest.param('cuda', id='on_cuda', marks=cuda),
]


@pytest.fixture
def keyed():
    """A hub with seed and iteration, so that noise is drawn by the samples' keys."""
    hub = MessageHub.get_instance('devices')
    hub.update_info('seed', 3)
    hub.update_info('iter', 5)
    return hub


@pytest.fixture
def model(keyed):
    """DNE with error bars, narrow, in float64: rounding is not what is compared."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(ROOT / 'configs/dne_correlated_rendered.py').model
    cfg.refine_head.update(map_size=SIZE // 4, num_samples=2)
    torch.manual_seed(0)
    return MODELS.build(cfg).double()


def on_device(model, device):
    return copy.deepcopy(model).to(device)


@pytest.mark.parametrize('device', DEVICES)
def test_losses_and_gradients(model, device):
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    found = []
    for place in ('cpu', device):
        other = on_device(model, place).train()
        losses = other.loss(images.to(place), fake_samples(2, SIZE))
        sum(losses.values()).backward()
        gradients = {n: p.grad for n, p in other.named_parameters()}
        found.append((losses, gradients))
    (losses, gradients), (there, theirs) = found
    assert any('stage1' in name for name in losses) and 'loss_nll' in losses
    for name, value in losses.items():
        torch.testing.assert_close(there[name].cpu(), value, rtol=1e-4, atol=1e-6)
    for name, value in gradients.items():
        if value is not None:
            other = theirs[name].cpu()
            torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize('device', DEVICES)
def test_predictions(model, device):
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    here, there = (
        on_device(model, place).eval().predict(images.to(place), fake_samples(2, SIZE))
        for place in ('cpu', device)
    )
    for one, other in zip(here, there, strict=True):
        for name in ('hand_vertices', 'hand_camera', 'hand_joint_covariance'):
            torch.testing.assert_close(
                torch.from_numpy(other.pred_instances[name]),
                torch.from_numpy(one.pred_instances[name]),
                rtol=1e-4,
                atol=1e-7,
            )


@pytest.mark.parametrize('device', DEVICES)
def test_draws_by_key(device):
    keys = np.array([1, -7, 2**40])
    here = normal_from_keys(keys, (50, 3))
    there = normal_from_keys(keys, (50, 3), device=device).cpu()
    torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-6)
