"""The conversion at full size, 2.8 GB: needs minutes and twice that on the disk."""

import math
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmhand_dne.hand_model import load_cc0_hand
from tests.oracles import hamer_official as official

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/model_converters/convert_hamer.py'
CONFIG = ROOT / 'configs/_base_/models/hamer_vit_h.py'
GIB = 2**30


def write_official(path):
    """A checkpoint of the official names and sizes; cheap numbers, all different."""
    state = {}
    for k, (name, shape) in enumerate(
        official.official_shapes('ours', official.FULL).items()
    ):
        state[name] = torch.full(shape, 0.001 * k)
        state[name].view(-1)[0] = -1.0
    generator = torch.Generator().manual_seed(0)
    state['out_layer_keypoints_3d.weight'] = (
        0.25 * torch.rand(63, 63, generator=generator) - 0.125
    )
    state['initialized'] = torch.tensor(True)
    state |= official.mano_tensors(load_cc0_hand())
    torch.save(dict(state_dict=state), path)


def full_size_model(monkeypatch):
    """The model of the config, not initialised, which would take minutes."""
    for name in ('trunc_normal_', 'kaiming_uniform_', 'uniform_', 'normal_'):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
    cfg = Config.fromfile(CONFIG)
    return MODELS.build(
        dict(
            cfg.model,
            uncertainty_head=dict(
                type='JointUncertaintyHead', decoder=cfg.decoder, aligned=False
            ),
        )
    )


@pytest.mark.large
def test_full_size_converts_within_the_memory_and_loads(tmp_path, monkeypatch):
    source, out = tmp_path / 'in.ckpt', tmp_path / 'out.pth'
    write_official(source)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    run = subprocess.run(
        [sys.executable, str(TOOL), str(source), str(out)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith('ours: CorrelatedCovariance, of the official size\n')
    assert '674 tensors: 611 used' in run.stdout
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(run.stdout, f'peak {peak / 2**20:.2f} GiB (before {before / 2**20:.2f})')
    assert peak * 1024 < 24 * GIB
    source.unlink()
    state = torch.load(out, weights_only=True, mmap=True)['state_dict']
    total = sum(4 * math.prod(value.shape) for value in state.values())
    assert total > 2.6 * GIB and out.stat().st_size < total + 2**20
    model = full_size_model(monkeypatch)
    model.load_state_dict(state, strict=True)
    torch.testing.assert_close(model.backbone.ln1.bias, state['backbone.ln1.bias'])
    out.unlink()
