"""What each covariance costs: parameters, and time from the token to its gradients.

One round takes a step of every covariance, in random order, so that a busy machine
slows all alike; the table shows medians over rounds, and of the ratios inside a round.
A step is: readouts, loss, gradients of token, mean and all parameters. "NLL" is the
loss alone with its gradients, the readouts' outputs being given. "Weights added" leaves
out biases, as published counts do.

Example:
    python tools/benchmarks/covariance_cost.py
"""

import argparse
import gc
import random
import statistics
from collections.abc import Callable
from typing import NamedTuple


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--dims', type=int, nargs='+', default=[60, 63], metavar='D')
    parser.add_argument('--in-channels', type=int, default=1024)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=300)
    parser.add_argument(
        '--hidden', type=float, default=0.0, help='share of images with a hidden joint'
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from stopwatch import Stopwatch
from torch import Tensor, nn

from mmhand_dne.models import covariances, losses
from mmhand_dne.models.covariances.covariance import Covariance

KINDS = {
    'deterministic': (covariances.DeterministicCovariance, None, {}),
    'diagonal': (covariances.DiagonalCovariance, losses.DiagonalGaussianNLLLoss, {}),
    'full': (covariances.FullCovariance, losses.FullGaussianNLLLoss, {}),
    'full, square': (
        covariances.FullCovariance,
        losses.FullGaussianNLLLoss,
        {'form': 'square'},
    ),
    'correlated': (
        covariances.CorrelatedCovariance,
        losses.CorrelatedGaussianNLLLoss,
        {},
    ),
    'correlated, apart': (
        covariances.CorrelatedCovariance,
        losses.CorrelatedGaussianNLLLoss,
        {'variances': 'apart'},
    ),
    'correlated without linear': (
        covariances.CorrelatedCovariance,
        losses.CorrelatedGaussianNLLLoss,
        {'linear': False},
    ),
}
NLL = ' NLL'  # ends the name of the loss alone


class Batch(NamedTuple):
    """Random input of a step; the same for all covariances."""

    token: Tensor  # (batch, d_x)
    mean: Tensor  # (batch, K, 3)
    target: Tensor  # (batch, K, 3)
    visible: Tensor | None  # (batch, K)


def random_batch(args, dim: int) -> Batch:
    """Tokens of unit variance, errors of one unit."""
    draw = torch.Generator().manual_seed(0)
    shape = (args.batch_size, dim // 3, 3)
    visible = None
    if args.hidden:
        visible = torch.ones(shape[:2])
        visible[: round(args.hidden * args.batch_size), 0] = 0
    return Batch(
        torch.randn(args.batch_size, args.in_channels, generator=draw).requires_grad_(),
        torch.randn(shape, generator=draw).requires_grad_(),
        torch.randn(shape, generator=draw),
        visible,
    )


def clear(parameters: list[Tensor]) -> None:
    """Drop gradients, so that none is added to."""
    for parameter in parameters:
        parameter.grad = None


def whole_step(part: Covariance, loss: nn.Module | None, batch: Batch) -> Callable:
    """Token -> loss -> gradients. Without a covariance: the squared error's."""
    inputs = [batch.token, batch.mean, *part.parameters()]

    def step() -> None:
        clear(inputs)
        params = part(batch.token)
        if loss is None:
            value = (batch.mean - batch.target).square().sum()
        else:
            value = loss(params, batch.mean, batch.target, batch.visible)
        value.backward()

    return step


def nll_step(part: Covariance, loss: nn.Module, batch: Batch) -> Callable:
    """Outputs of the readouts -> loss -> their gradients."""
    inputs = [batch.mean]

    def leaf(output):
        if isinstance(output, tuple):
            return type(output)(*map(leaf, output))
        if not isinstance(output, Tensor) or not output.requires_grad:
            return output
        inputs.append(output.detach().clone().requires_grad_())
        return inputs[-1]

    params = leaf(part(batch.token))

    def step() -> None:
        clear(inputs)
        loss(params, batch.mean, batch.target, batch.visible).backward()

    return step


def build(args, dim: int) -> dict[str, Covariance]:
    """Every part, same seed."""
    parts = {}
    for name, (kind, _, options) in KINDS.items():
        torch.manual_seed(0)
        parts[name] = kind(args.in_channels, dim, **options)
    return parts


def measure(args, parts: dict[str, Covariance], dim: int) -> dict[str, list[float]]:
    """Seconds of each step by name, one entry per round."""
    batch, watch, steps = random_batch(args, dim), Stopwatch(cuda=False), {}
    for name, part in parts.items():
        loss = KINDS[name][1]
        loss = loss() if loss else None
        steps[name] = watch.timed(whole_step(part, loss, batch), name)
        if loss is not None:
            steps[name + NLL] = watch.timed(nll_step(part, loss, batch), name + NLL)
    for step in steps.values():  # warm up
        step()
    watch.take()
    seconds = {name: [] for name in steps}
    gc.disable()
    order, draw = list(steps.values()), random.Random(0)
    for _ in range(args.rounds):
        # The step after the largest one finds its data pushed out of the caches.
        draw.shuffle(order)
        for step in order:
            step()
        for name, elapsed in watch.take().items():
            seconds[name].append(elapsed)
    gc.enable()
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> float:
    """Median over rounds of one step's time in units of another's."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[base]))


def count(part: nn.Module, biases: bool) -> int:
    """Trained numbers of a part: weights, or biases."""
    return sum(
        p.numel() for n, p in part.named_parameters() if n.endswith('bias') == biases
    )


def print_table(args, dim: int, parts: dict, seconds: dict) -> None:
    """Print what ``measure`` found, a line for each covariance, and its ratios."""
    print(
        f'\nd = {dim}, d_x = {args.in_channels}, batch {args.batch_size}, float32, '
        f'{args.threads} thread(s), {args.rounds} rounds'
    )
    print('| covariance | weights added | biases | step [ms] | / diagonal | NLL [ms] |')
    print('|---|---:|---:|---:|---:|---:|')
    for name, part in parts.items():
        alone = '-'
        if name + NLL in seconds:
            alone = f'{1e3 * statistics.median(seconds[name + NLL]):.3f}'
        print(
            f'| {name} | {count(part, False)} | {count(part, True)} '
            f'| {1e3 * statistics.median(seconds[name]):.3f} '
            f'| {ratio(seconds, name, "diagonal"):.2f} | {alone} |'
        )
    slower = ratio(seconds, 'correlated', 'diagonal')
    cheaper = ratio(seconds, 'full', 'correlated')
    print(
        f'correlated / diagonal {slower:.2f} (bar 1.5), '
        f'full / correlated {cheaper:.1f} (bar 3)'
    )


def main(args=None) -> None:
    """Measure and print a table for each dimension."""
    args = parse_args(args)
    torch.set_num_threads(args.threads)
    for dim in args.dims:
        parts = build(args, dim)
        print_table(args, dim, parts, measure(args, parts, dim))


if __name__ == '__main__':
    main()
