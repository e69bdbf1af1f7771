"""The count of a step's operators: at most half of the calls that it had."""

import sys
from pathlib import Path

import pytest
from mmengine.logging import MessageHub

from mmhand_dne.geometry import rasterize, sampling, three_view
from mmhand_dne.models.data_preprocessors.gaussian_noise import BatchGaussianNoise
from mmhand_dne.models.estimators import hand_mesh_estimator
from mmhand_dne.models.layers import dne_stage, regressed_points
from mmhand_dne.models.layers.noise_mlp import NoiseMLP
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.models.necks import ThreeViewVoxelNeck
from mmhand_dne.randomness import keys

ROOT = Path(__file__).parents[2]
REPLACED = (  # by the former parts and by the count, for good
    (ThreeViewVoxelNeck, 'forward'),
    (NoiseMLP, 'forward'),
    (NoiseMLP, 'takes_cells'),
    (dne_stage, 'ready_to_read'),
    (regressed_points.RegressedPoints, 'first_of_perceptron'),
    (regressed_points, 'bilinear'),
    (dne_stage, 'bilinear'),
    (dne_stage.DNEStage, 'with_extras'),
    (rasterize, 'reading_is_free'),
    (sampling, 'reading_is_free'),
    (three_view, 'reading_is_free'),
    (keys, 'is_host'),
    (NoiseDraws, 'normal'),
    (BatchGaussianNoise, 'forward'),
    (hand_mesh_estimator, 'batch_keys'),
)


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    for owner, name in REPLACED:
        monkeypatch.setattr(owner, name, vars(owner)[name])
    before = set(sys.modules)
    tool = __import__('step_calls')
    monkeypatch.setattr(tool, 'count_apart', tool.count)
    hub = MessageHub.get_instance('calls')
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: hub)
    yield tool
    for name in ('step_calls', 'gpu', 'step_models', 'stopwatch', 'train_step'):
        if name not in before:
            sys.modules.pop(name, None)


@pytest.mark.large
def test_a_step_has_at_most_half_of_its_former_calls(tool, capsys):
    found = tool.main(['--batch-size', '1'])
    before, now = (found[way].total() for way in tool.WAYS)
    assert now <= 0.5 * before
    assert found['now']['draws'] <= 86 < found['before']['draws']
    assert all(found['now'][part] for part in tool.PARTS)
    assert f'| all | {before} | {now} |' in capsys.readouterr().out
