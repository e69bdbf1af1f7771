"""Steps of W relative to itself, whatever an optimiser or a run does in between."""

import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.models.covariances.correlated_covariance import CorrelatedCovariance
from tests.test_engine.toy_processes import run_forked
from tests.trained_nll import trained_nll

IN, D = 4, 6


def make(slots=1, seed=0, **options):
    torch.manual_seed(seed)
    part = CorrelatedCovariance(IN, D, num_slots=slots, **options)
    part.set_mixing(torch.eye(D) + 0.3 * torch.randn(*part.base.shape))
    return part


def batch(slots=1, rows=8, seed=1):
    draw = torch.Generator().manual_seed(seed)
    lead = (rows,) if slots == 1 else (rows, slots)
    return (
        torch.randn(*lead, IN, generator=draw),
        torch.randn(*lead, D, generator=draw),
    )


def loss_of(part, data):
    token, residual = data
    return trained_nll(part, part(token), residual).mean()


def train(part, optimiser, steps, first=0):
    for step in range(first, first + steps):
        optimiser.zero_grad()
        loss_of(part, batch(seed=step)).backward()
        optimiser.step()


def same_bits(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.mark.parametrize('slots', [1, 2])
def test_a_forward_of_training_takes_the_step_in_and_changes_nothing_else(slots):
    part, data = make(slots), batch(slots)
    with torch.no_grad():
        part.lower_upper += 0.3 * torch.randn_like(part.lower_upper)
    mixing, before = part.mixing(), part.eval()(data[0]).mixing
    value = loss_of(part, data)
    assert (part.lower_upper != 0).all() and part.base is before.base
    torch.testing.assert_close(loss_of(part.train(), data), value)
    assert not part.lower_upper.any()
    torch.testing.assert_close(part.mixing(), mixing)
    torch.testing.assert_close(part.base_log_det, torch.linalg.slogdet(part.base)[1])
    with torch.no_grad():  # nobody learns: nothing is taken in
        part.lower_upper += 1
        part(data[0])
    assert part.lower_upper.eq(1).all()


@pytest.mark.parametrize('slots', [1, 2])
def test_two_forwards_before_a_backward_are_one_of_both_batches(slots):
    part, halves = make(slots), [batch(slots, seed=seed) for seed in (1, 2)]
    twin = copy.deepcopy(part)
    for one in (part, twin):
        with torch.no_grad():
            one.lower_upper += 0.1
    sum(loss_of(part, half) / 2 for half in halves).backward()
    whole = [torch.cat(values) for values in zip(*halves)]
    loss_of(twin, whole).backward()
    for found, expected in zip(part.parameters(), twin.parameters()):
        torch.testing.assert_close(found.grad, expected.grad)


def test_accumulated_gradients_make_the_step_of_the_whole_batch():
    parts = [make(), make()]
    data = [batch(seed=seed) for seed in range(4)]
    for part, count in zip(parts, (2, 1)):
        wrapper = OptimWrapper(
            torch.optim.SGD(part.parameters(), lr=0.1), accumulative_counts=count
        )
        wrapper.initialize_count_status(part, 0, 4)
        for first in range(0, 4, 2):
            pieces = data[first : first + 2]
            if count == 1:
                pieces = [[torch.cat(values) for values in zip(*pieces)]]
            for piece in pieces:
                with wrapper.optim_context(part):
                    value = loss_of(part, piece)
                wrapper.update_params(value)
    assert not torch.allclose(parts[0].mixing(), make().mixing(), atol=1e-3)
    torch.testing.assert_close(parts[0].mixing(), parts[1].mixing())


def test_a_step_that_mixed_precision_skips_leaves_w_to_the_bit():
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('this torch scales losses on CUDA only')
    part, scaler = make(), torch.amp.GradScaler('cpu')
    optimiser = torch.optim.Adam(part.parameters())
    part(batch()[0])
    before, base = part.mixing(), part.base.clone()
    for factor in (torch.inf, 1.0):
        optimiser.zero_grad()
        with torch.autocast('cpu', torch.bfloat16):
            value = loss_of(part, batch())
        assert torch.equal(part.base, base)
        scaler.scale(factor * value).backward()
        scaler.step(optimiser)
        scaler.update()
        assert torch.equal(part.mixing(), before) == (factor == torch.inf)


def test_a_resumed_run_goes_on_to_the_bit(tmp_path):
    whole = make()
    optimiser = torch.optim.Adam(whole.parameters(), lr=1e-2)
    train(whole, optimiser, 7)
    assert whole.lower_upper.any()  # saved in the middle of a step
    torch.save([whole.state_dict(), optimiser.state_dict()], tmp_path / 'saved.pth')
    copied = copy.deepcopy(whole)
    train(whole, optimiser, 7, first=7)
    resumed = make(seed=3)
    other = torch.optim.Adam(resumed.parameters(), lr=1e-2)
    saved = torch.load(tmp_path / 'saved.pth', weights_only=True)
    for target, state in zip((resumed, other), saved):
        target.load_state_dict(state)
    assert same_bits(resumed, copied)  # which the further training left alone
    train(resumed, other, 7, first=7)
    assert same_bits(resumed, whole)


def distributed(folder):
    ranks = torch.distributed
    ranks.init_process_group('gloo')
    part = make(seed=0)
    model = DistributedDataParallel(part, broadcast_buffers=False)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(10):
        token, residual = (
            value.chunk(2)[ranks.get_rank()] for value in batch(seed=step)
        )
        optimiser.zero_grad()
        trained_nll(part, model(token), residual).mean().backward()
        optimiser.step()
    torch.save(part.state_dict(), folder / f'{ranks.get_rank()}.pth')


def test_two_processes_hold_the_same_w_as_one(tmp_path):
    assert run_forked(distributed, tmp_path, processes=2) == [0, 0]
    parts = [make(), make()]
    for rank, part in enumerate(parts):
        part.load_state_dict(torch.load(tmp_path / f'{rank}.pth', weights_only=True))
    assert same_bits(*parts)
    alone = make()
    train(alone, torch.optim.Adam(alone.parameters(), lr=1e-2), 10)
    torch.testing.assert_close(parts[0].mixing(), alone.mixing(), rtol=1e-3, atol=1e-4)


def test_the_log_determinant_does_not_drift_in_float32():
    part = CorrelatedCovariance(1, 60)
    draw = torch.Generator().manual_seed(0)
    noise = 5e-4 * torch.randn(50, 60, 60, generator=draw)
    with torch.no_grad():
        for step in range(5000):
            part.lower_upper += noise[step % 50] + 1e-5 * torch.eye(60)
            part._absorb()
    exact = torch.linalg.slogdet(part.base.double())[1]
    assert exact.abs() > 1
    assert (part.base_log_det - exact).abs() < 1e-4 * exact.abs()


class Recorded(TorchDispatchMode):
    """Names of the operations there were."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.add(str(operation))
        return operation(*args, **(kwargs or {}))


def test_no_step_of_training_factorises_w():
    part = make()
    optimiser = torch.optim.Adam(part.parameters())

    def factorising(names):
        words = ('linalg', 'inverse', 'solve', 'cholesky', 'lu', 'det', 'svd', 'qr')
        found = {name.split('.')[1] for name in names}
        return {name for name in found if set(name.split('_')) & set(words)}

    with Recorded() as step:
        train(part, optimiser, 2)
    assert 'aten.mm.default' in step.names and not factorising(step.names)
    with Recorded() as report:
        part.unit_mixing()
    assert factorising(report.names)


def test_weight_decay_does_not_pull_w():
    part = make()
    before = part.mixing()
    optimiser = torch.optim.AdamW([part.lower_upper], lr=0.1, weight_decay=0.5)
    for _ in range(5):
        part(batch()[0])
        part.lower_upper.grad = torch.zeros_like(part.lower_upper)
        optimiser.step()
    torch.testing.assert_close(part.mixing(), before)


def test_an_averaged_model_has_the_newest_w():
    part = make()
    optimiser = torch.optim.Adam(part.parameters(), lr=1e-2)
    average = ExponentialMovingAverage(part, momentum=0.01)
    start = part.mixing()
    for step in range(30):
        train(part, optimiser, 1, first=step)
        average.update_parameters(part)
    newest, found = part.mixing(), average.module.mixing()
    assert (found - newest).norm() < 0.1 * (newest - start).norm()
    torch.testing.assert_close(
        average.module.base_log_det, torch.linalg.slogdet(average.module.base)[1]
    )
