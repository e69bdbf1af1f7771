import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'tools/benchmarks'


class Clock:
    """Moves only when told: no load on the machine changes what is measured."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stopwatch(monkeypatch, clock):
    monkeypatch.syspath_prepend(str(FOLDER))
    import stopwatch

    monkeypatch.setattr(stopwatch, 'time', clock)
    return stopwatch.Stopwatch(cuda=False)


def test_time_of_an_inner_part_is_not_counted_twice(stopwatch, clock):
    class Parts:
        def inner(self):
            clock.sleep(0.02)

        def outer(self):
            clock.sleep(0.01)
            self.inner()
            self.inner()

    parts = Parts()
    stopwatch.wrap(parts, 'inner', 'inner')
    stopwatch.wrap(parts, 'outer', 'outer')
    parts.outer()
    assert stopwatch.take() == pytest.approx({'inner': 0.04, 'outer': 0.01})
    assert stopwatch.take() == {}


def test_backward_is_split_where_gradients_arrive(stopwatch, clock):
    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value, seconds):
            ctx.seconds = seconds
            return value.clone()

        @staticmethod
        def backward(ctx, grad):
            clock.sleep(ctx.seconds)
            return grad, None

    class Model:
        def early(self, value):
            return [Slow.apply(value, 0.03)]

        def late(self, value):
            return [Slow.apply(value, 0.06)]

        def backward(self, loss):
            loss.backward()

    model = Model()
    for name in ('early', 'late'):
        stopwatch.wrap(model, name, name, lambda outputs: outputs[0])
    stopwatch.wrap_backward(model, 'backward', first='losses')
    start = torch.ones(1, requires_grad=True)
    value = model.late(model.early(start)[0])[0]
    stopwatch.timed(lambda: model.backward(value.sum()), 'other')()
    seconds = stopwatch.take()
    assert {name: value for name, value in seconds.items() if value} == pytest.approx(
        {'early backward': 0.03, 'late backward': 0.06}
    )


def test_failed_part_keeps_the_books_straight(stopwatch, clock):
    def fail():
        raise RuntimeError

    timed = stopwatch.timed(fail, 'fail')
    for _ in range(2):
        with pytest.raises(RuntimeError):
            timed()
    stopwatch.timed(lambda: clock.sleep(0.01), 'work')()
    assert stopwatch.take() == pytest.approx({'fail': 0, 'work': 0.01})


@pytest.mark.large
def test_both_models_step_and_every_second_is_named(tmp_path):
    out = tmp_path / 'steps.json'
    subprocess.run(
        [
            sys.executable,
            FOLDER / 'train_step.py',
            *('--batch-size', '1', '--repeats', '1', '--threads', '2'),
            *('--out', out),
        ],
        check=True,
        cwd=ROOT,
    )
    report = json.loads(out.read_text())
    assert report.keys() == {'dne', 'former', 'internet'}
    assert min(report['dne']['cpu_median'], report['former']['cpu_median']) > 0
    wanted = {'backbone', 'neck', 'aux head', 'targets', 'mano head', 'losses'}
    wanted |= {'regressed points', 'stage 1', 'stage 2', 'stage 3'}
    found = report['dne']['parts'].keys()
    assert wanted | {'optimiser', 'other'} <= found
    assert {f'{name} backward' for name in wanted - {'targets'}} <= found
    for found in report.values():
        assert sum(found['parts'].values()) == pytest.approx(found['median'], rel=0.01)
        assert found['rss_peak'] >= found['rss_before'] > 0


@pytest.fixture
def former(monkeypatch):
    """The module of the former parts; what it replaces is put back at the end."""
    monkeypatch.syspath_prepend(str(FOLDER))
    from former import parts

    for module, name in (
        (parts.ThreeViewVoxelNeck, 'forward'),
        (parts.NoiseMLP, 'forward'),
        (parts.NoiseMLP, 'takes_cells'),
        (parts.dne_stage, 'ready_to_read'),
        (parts.RegressedPoints, 'first_of_perceptron'),
        (parts.dne_stage, 'bilinear'),
        (parts.dne_stage.DNEStage, 'with_extras'),
        (parts.regressed_points, 'bilinear'),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    return parts


@pytest.mark.parametrize('channels', [32, 64])
def test_former_parts_compute_what_the_present_ones_do(former, channels):
    from step_models import build, hand_batch, load_config
    from train_step import copy_batch

    cfg = load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    cfg.model.neck.out_channels = channels
    for head in (cfg.model.aux_head, cfg.model.mano_head, cfg.model.refine_head):
        head.in_channels = channels
    cfg.model.aux_head.out_channels = channels
    found = []
    for as_before in (False, True):
        network, _ = build('dne', cfg, 'cpu')
        if as_before:
            former.use_former_parts(network)
            assert network.hand_model.skin is None
        batch = hand_batch(network, 2, cfg.input_size)
        torch.manual_seed(0)
        data = network.data_preprocessor(copy_batch(batch), True)
        found.append(network.loss(**data))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-5, atol=1e-6)
