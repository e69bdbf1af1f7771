"""Recover a known correlated noise: which covariance can, and from how much data?

Errors are y = W* diag(sigma(x)) n: W* a random orthogonal matrix times singular values
from 1 to ``--condition``, log sigma^2 a fixed linear map of an 8-D input x, n standard
normal. Each covariance is trained on samples of (x, y) by its own loss and scored on
inputs not seen: the relative Frobenius error |Sigma - Sigma*| / |Sigma*|, averaged, and
the NLL above the true density's, in nats per coordinate. The network is a linear
readout of x, so the ground truth is within reach of the correlated covariance; the full
one gets a hidden layer, since its factor is no linear function of x.

W is trained by plain Adam, as any model's is; what counts is the sum of its learning
rates over the steps. ``--mixing-sums`` trains W at constant rates of these sums, the
readouts as ever. With
``--mixing-sums 0.275 1 2 4 5.5 11 --steps 1500 --batch-size 256 --seeds 0``

    | sum of W's learning rates | error [%] | NLL above true |
    | 0.275 | 60.4 | 0.2821 |
    | 1 | 52.5 | 0.1899 |
    | 2 | 26.9 | 0.0659 |
    | 4 | 7.7 | 0.0080 |
    | 5.5 | 8.2 | 0.0085 |
    | 11 | 11.6 | 0.0153 |

and with 6000 steps 60.4, 42.5, 16.3 and 5.6 % at the first four: W's rates have to sum
up to some 4. The second paper's 275 000 steps of 1e-6 are 0.275, where most of the
correlation is not learnt (the diagonal covariance is at 85 %); ``lr_mult=20`` in
configs/_base_/schedules/hamer_finetune.py makes it 5.5.

Mode 'released' refuses to train W, for its loss can only shrink it; its row shows what
happens if one insists (W is unfrozen behind its back).

Prints a table, a row per covariance, mean and standard deviation over seeds, and writes
it as a picture and a .json. It takes minutes. With the seconds left out:

    | covariance | samples | error [%] | NLL above true | max W |
    | diagonal | 20000 | 85.5 +- 1.5 | 0.6480 | - |
    | correlated, exact | 20000 | 4.5 +- 0.3 | 0.0021 | 0.732 |
    | full | 2000 | 219.7 +- 29.2 | 6.1612 | - |
    | full | 20000 | 28.9 +- 2.2 | 0.0608 | - |
    | full | 200000 | 25.3 +- 2.8 | 0.0478 | - |
    | correlated, released | 20000 | 99.9 +- 0.0 | 283.8969 | 0.048 |

Example:
    python tools/analysis_tools/covariance_toy.py --out-dir work_dirs/toy
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import NamedTuple


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/toy'))
    parser.add_argument('--dim', type=int, default=60, help='a multiple of 3')
    parser.add_argument('--condition', type=float, default=10.0)
    parser.add_argument('--samples', type=int, default=20_000)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--steps', type=int, default=3000)
    parser.add_argument('--batch-size', type=int, default=512)
    parser.add_argument('--lr', type=float, default=1e-2)
    parser.add_argument('--hidden', type=int, default=64)
    parser.add_argument(
        '--mixing-sums',
        type=float,
        nargs='+',
        metavar='SUM',
        help="only the correlated covariance, W's learning rates summing up to these",
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from torch import Tensor, nn

from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.gaussian.mixing import compose
from mmhand_dne.models import covariances, losses

INPUTS, HELD_OUT = 8, 500


class Row(NamedTuple):
    """One line of the table: what is trained, on how many samples."""

    name: str
    covariance: str
    samples: int
    hidden: int = 0  # width of a hidden layer before the readouts, 0: none
    mode: str = 'exact'


class World(NamedTuple):
    """The noise there is."""

    mixing: Tensor  # (d, d) W*
    slope: Tensor  # (d, 8) of log sigma^2

    def log_var(self, x: Tensor) -> Tensor:
        """(n, d) of z."""
        return x @ self.slope.T

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (n, 8) and errors (n, d)."""
        x = torch.randn(count, INPUTS, generator=generator)
        noise = torch.randn(count, len(self.mixing), generator=generator)
        return x, (noise * torch.exp(0.5 * self.log_var(x))) @ self.mixing.T

    def covariance(self, x: Tensor) -> Tensor:
        """(n, d, d)."""
        scaled = self.mixing * torch.exp(0.5 * self.log_var(x))[:, None]
        return scaled @ scaled.mT

    def nll(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean over samples, constants dropped as in our losses."""
        z = torch.linalg.solve(self.mixing, y.T).T
        log_var = self.log_var(x)
        terms = z.square() * torch.exp(-log_var) + log_var
        return 0.5 * terms.sum(-1).mean() + torch.linalg.slogdet(self.mixing)[1]


def make_world(dim: int, condition: float, seed: int) -> World:
    """W* with singular values spread evenly in the logarithm, geometric mean 1."""
    draw = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(dim, dim, generator=draw)).Q
    right = torch.linalg.qr(torch.randn(dim, dim, generator=draw)).Q
    singular = condition ** torch.linspace(-0.5, 0.5, dim)
    slope = torch.randn(dim, INPUTS, generator=draw) / INPUTS**0.5
    return World(left * singular @ right.T, slope)


class Network(nn.Module):
    """x -> parameters of the covariance."""

    def __init__(self, row: Row, dim: int):
        super().__init__()
        width = row.hidden or INPUTS
        self.trunk = nn.Identity()
        if row.hidden:
            self.trunk = nn.Sequential(nn.Linear(INPUTS, row.hidden), nn.GELU())
        kind = getattr(covariances, f'{row.covariance}Covariance')
        frozen = {'train_mixing': False} if row.mode == 'released' else {}
        self.part = kind(width, dim, **frozen)
        options = {'mode': row.mode} if row.covariance == 'Correlated' else {}
        loss = getattr(losses, f'{row.covariance}GaussianNLLLoss')
        self.loss, self.exact = loss(**options), loss()

    def forward(self, x: Tensor) -> CovarianceParams:
        """(n, 8) -> parameters."""
        return self.part(self.trunk(x))

    def covariance(self, x: Tensor) -> Tensor:
        """(n, d, d)."""
        mean = x.new_zeros(len(x), self.part.dim)
        return self.part.gaussian(self(x), mean).covariance()


class InsistentReleasedLoss(nn.Module):
    """The released terms with W in the graph, which the loss itself refuses.

    The squared error of samples is taken in expectation, |r|^2 + tr(Sigma).
    """

    def forward(self, params: CovarianceParams, mean: Tensor, target: Tensor) -> Tensor:
        """A scalar; W's only gradient is that of the trace."""
        residual = (target - mean).flatten(1)
        variance = params.log_var.exp()
        nll = 0.5 * (params.log_var + residual.square() / variance)
        mixing = torch.linalg.inv(compose(params.mixing)[0])
        trace = (mixing.square() * variance[:, None]).sum((-1, -2))
        return (nll + residual.square()).sum(-1).mean() + trace.mean()


def train(
    row: Row, world: World, args, seed: int, mixing_sum: float | None = None
) -> Network:
    """Adam, the rate falling to 0 along a cosine; W's constant, if its sum is given.

    A step of the full covariance costs ten times as much per image: it takes a quarter
    of the batch.
    """
    steps, batch_size = args.steps, args.batch_size
    if row.covariance == 'Full':
        batch_size //= 4
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(1000 + seed)
    dim = len(world.mixing)
    network, (x, y) = Network(row, dim), world.draw(row.samples, draw)
    loss = network.loss
    if row.mode == 'released':
        network.part.lower_upper.requires_grad_()
        loss = InsistentReleasedLoss()
    optimiser, schedule = optimiser_of(network, args, mixing_sum)
    for _ in range(steps):
        chosen = torch.randint(row.samples, (batch_size,), generator=draw)
        target = y[chosen].unflatten(1, (-1, 3))
        value = loss(network(x[chosen]), torch.zeros_like(target), target)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def optimiser_of(network: Network, args, mixing_sum: float | None) -> tuple:
    """Adam and its schedule over ``args.steps`` steps."""
    if mixing_sum is None:
        optimiser = torch.optim.Adam(network.parameters(), lr=args.lr)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR
        return optimiser, cosine(optimiser, args.steps)
    mixing = network.part.lower_upper
    readouts = [value for value in network.parameters() if value is not mixing]
    optimiser = torch.optim.Adam(
        [
            dict(params=readouts, lr=args.lr),
            dict(params=[mixing], lr=mixing_sum / args.steps),
        ]
    )
    falling, constant = (lambda step: 1 - step / args.steps), (lambda step: 1.0)
    scaled = torch.optim.lr_scheduler.LambdaLR
    return optimiser, scaled(optimiser, [falling, constant])


@torch.no_grad()
def score(network: Network, world: World, seed: int) -> dict[str, float]:
    """Errors on held-out inputs, and the size of W."""
    draw = torch.Generator().manual_seed(2000 + seed)
    x, y = world.draw(HELD_OUT, draw)
    wanted = world.covariance(x)
    gap = (network.covariance(x) - wanted).flatten(1).norm(dim=1)
    points = y.unflatten(1, (-1, network.part.dims))
    nll = network.exact(network(x), torch.zeros_like(points), points)
    residual = nll - world.nll(x, y)
    found = {
        'error': (gap / wanted.flatten(1).norm(dim=1)).mean().item(),
        'nats': residual.item() / len(world.mixing),
    }
    if hasattr(network.part, 'lower_upper'):
        found['largest_w'] = network.part.mixing().abs().max().item()
    return found


def rows_of(args) -> list[Row]:
    """The table: every covariance, full at three sizes."""
    most = args.samples
    sizes = [most // 10, most, most * 10]
    return [
        Row('diagonal', 'Diagonal', most),
        Row('correlated, exact', 'Correlated', most),
        *(Row('full', 'Full', size, args.hidden) for size in sizes),
        Row('correlated, released', 'Correlated', most, mode='released'),
    ]


def run(args) -> list[dict]:
    """Train every row for every seed."""
    results = []
    for row in rows_of(args):
        start, scores = time.perf_counter(), []
        for seed in args.seeds:
            world = make_world(args.dim, args.condition, seed)
            scores.append(score(train(row, world, args, seed), world, seed))
        seconds = (time.perf_counter() - start) / len(args.seeds)
        results.append({**row._asdict(), 'seconds': seconds, 'scores': scores})
        print_row(results[-1])
    return results


def run_sums(args) -> list[dict]:
    """Train W at each sum of learning rates; print a line each."""
    row, results = Row('correlated, exact', 'Correlated', args.samples), []
    print("| sum of W's learning rates | error [%] | NLL above true |")
    print('|---:|---:|---:|')
    for total in args.mixing_sums:
        scores = []
        for seed in args.seeds:
            world = make_world(args.dim, args.condition, seed)
            scores.append(score(train(row, world, args, seed, total), world, seed))
        results.append(dict(mixing_sum=total, scores=scores))
        error, nats = (over_seeds(results[-1], key)[0] for key in ('error', 'nats'))
        print(f'| {total:g} | {100 * error:.1f} | {nats:.4f} |', flush=True)
    return results


def over_seeds(result: dict, key: str) -> tuple[float, float]:
    """Mean and standard deviation over seeds."""
    values = [scores[key] for scores in result['scores']]
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.mean(values), deviation


def print_row(result: dict) -> None:
    """Print one line of the table."""
    error, error_std = over_seeds(result, 'error')
    nats, _ = over_seeds(result, 'nats')
    largest = '-'
    if 'largest_w' in result['scores'][0]:
        largest = f'{over_seeds(result, "largest_w")[0]:.3f}'
    print(
        f'| {result["name"]} | {result["samples"]} | {100 * error:.1f} '
        f'+- {100 * error_std:.1f} | {nats:.4f} | {largest} '
        f'| {result["seconds"]:.1f} |',
        flush=True,
    )


def plot(results: list[dict], title: str, path: Path) -> None:
    """Error against number of samples, one marker per row."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout='constrained')
    for name in dict.fromkeys(result['name'] for result in results):
        chosen = [result for result in results if result['name'] == name]
        means, deviations = zip(*(over_seeds(result, 'error') for result in chosen))
        axes.errorbar(
            [result['samples'] for result in chosen],
            [100 * mean for mean in means],
            [100 * deviation for deviation in deviations],
            marker='o',
            capsize=3,
            label=name,
        )
    axes.axhline(5, color='gray', linestyle=':', label='5 %')
    axes.set(xscale='log', yscale='log', xlabel='training samples', title=title)
    axes.set_ylabel('relative Frobenius error, held-out inputs [%]')
    sizes = sorted({result['samples'] for result in results})
    axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
    percents = [2, 5, 10, 20, 50, 100, 200, 500]
    low, high = axes.get_ylim()
    axes.set_yticks(percents, map(str, percents))
    axes.minorticks_off()
    axes.set_ylim(low, high)
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(args=None):
    """Train and score every row; print, plot and store the table."""
    args = parse_args(args)
    if args.mixing_sums:
        return run_sums(args)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    print('| covariance | samples | error [%] | NLL above true | max W | seconds |')
    print('|---|---:|---:|---:|---:|---:|')
    results = run(args)
    (args.out_dir / 'covariance_toy.json').write_text(json.dumps(results, indent=2))
    title = f'd = {args.dim}, condition {args.condition:g}, {len(args.seeds)} seeds'
    plot(results, title, args.out_dir / 'covariance_toy.png')
    print(f'wrote {args.out_dir}/covariance_toy.png and .json')
    return results


if __name__ == '__main__':
    main()
