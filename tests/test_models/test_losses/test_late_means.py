"""All denominators of a step's losses in one reduction: the same losses, to the bit."""

import os
from pathlib import Path

import pytest
import torch

from mmhand_dne.models.losses.late_means import LateMean, reduced_together
from mmhand_dne.models.losses.masked_loss import masked_mean
from tests.test_engine.toy_processes import run_forked

ROOT = Path(__file__).parents[3]


class Reductions:
    """Counts calls of all_reduce and lets them through."""

    def __init__(self):
        self.calls, self.reduce = 0, torch.distributed.all_reduce

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.reduce(*args, **kwargs)


def start():
    """This process as one of two; returns its rank and what counts its reductions."""
    torch.distributed.init_process_group('gloo')
    torch.distributed.all_reduce = Reductions()
    return torch.distributed.get_rank(), torch.distributed.all_reduce


def in_two_processes(target, folder):
    """What a target returns in each."""

    def work():
        torch.save(target(), folder / os.environ['RANK'])

    assert run_forked(work, processes=2) == [0, 0]
    return [torch.load(folder / str(rank)) for rank in range(2)]


def step_of_the_paper():
    """Losses and gradients of a small DNE by both ways; ranks see other labels."""
    from step_models import build, hand_batch, load_config

    (rank, reductions), found = start(), {}
    cfg = load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    cfg.model.refine_head.update(num_stages=3, num_samples=2)
    network, _ = build('dne', cfg, 'cpu')
    data = network.data_preprocessor(hand_batch(network, 2, cfg.input_size), True)
    labels = [sample.gt_instance_labels for sample in data['data_samples']]
    if rank:  # a hand without a mesh, and an image without one of its hands
        labels[0].hand_vertices_valid[:, 0] = labels[0].mano_valid[:, 0] = 0
        labels[1].hand_joints_ndc_valid[:, 1] = labels[1].hand_presence[:, 1] = 0
    for name in ('together', 'apart'):
        loss = type(network).loss
        loss = loss if name == 'together' else loss.__wrapped__
        network.zero_grad()
        torch.manual_seed(0)
        reductions.calls = 0
        losses = loss(network, **data)
        calls = reductions.calls
        sum(losses.values()).backward()
        gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        values = {key: value.detach() for key, value in losses.items()}
        found[name] = calls, values, gradients
    return found


def test_a_step_has_one_reduction_and_the_losses_of_one_for_each(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    ranks = in_two_processes(step_of_the_paper, tmp_path)
    for found in ranks:
        calls, losses, gradients = found['together']
        former, wanted, wanted_gradients = found['apart']
        assert calls == 1 and former == len(wanted) > 20
        assert list(losses) == list(wanted)
        assert all(torch.equal(losses[key], wanted[key]) for key in wanted)
        assert len(gradients) == len(wanted_gradients) > 20
        assert all(map(torch.equal, gradients, wanted_gradients))
    (_, here, _), (_, there, _) = (found['together'] for found in ranks)
    assert any(not torch.equal(here[key], there[key]) for key in here)


class Heads:
    """Losses as a user's own head may compute them."""

    @reduced_together
    def loss(self, values, mask):
        first, second = masked_mean(values, mask), masked_mean(values**2)
        waiting = isinstance(first, LateMean)
        return dict(
            weighted=2 * (first + second) / 4 - (1 - first),
            negative=-second,
            scaled=values.new_tensor(3.0) * first,
            root=second.sqrt(),
            stacked=torch.stack([first, second]).sum(),
            listed=[first, masked_mean(values, 1 - mask)],
            waiting=torch.tensor(float(waiting)),
        )


def own_head():
    (rank, reductions), found = start(), {}
    values = torch.arange(1.0, 9).view(4, 2)[rank::2].clone().requires_grad_()
    mask = torch.tensor([1, 0, 1, 1])[rank::2]
    for name, loss in (('late', Heads.loss), ('now', Heads.loss.__wrapped__)):
        reductions.calls, values.grad = 0, None
        losses = loss(Heads(), values, mask)
        losses.update(first=losses['listed'][0], last=losses.pop('listed')[1])
        sum(losses.values()).backward()
        plain = {key: value.detach() for key, value in losses.items()}
        found[name] = reductions.calls, plain, values.grad.clone()
    return found


def test_whatever_else_is_done_with_a_mean_gives_the_same_value(tmp_path):
    for found in in_two_processes(own_head, tmp_path):
        (calls, late, gradient), (former, now, wanted) = (
            found[name] for name in ('late', 'now')
        )
        assert (calls, former) == (2, 3)  # one more for what cannot wait
        assert late.pop('waiting') == 1 and now.pop('waiting') == 0
        assert late.keys() == now.keys()
        for key, value in late.items():
            torch.testing.assert_close(value, now[key], rtol=0, atol=0)
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=0)


def test_alone_nothing_waits():
    found = Heads().loss(torch.ones(4, 2), torch.ones(4))
    assert found['waiting'] == 0
    assert found['weighted'].item() == pytest.approx(1)
