"""What posing hands costs: our own skinning beside smplx's layer.

Both take the same poses in turn, so that a busy machine slows both alike; the table
shows medians, and the median of the ratios inside a round. "step" is the vertices and
the gradients of rotations and shapes. smplx has to be installed; docs/train.md says
its licence.

Example:
    python tools/benchmarks/hand_skinning.py
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--hands', type=int, nargs='+', default=[1, 16, 128], help='default: 1 16 128'
    )
    parser.add_argument('--rounds', type=int, default=30, help='default: 30')
    parser.add_argument('--threads', type=int, default=1, help='default: 1')
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from torch import Tensor

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import MANOLayer

BACKENDS = ('own', 'smplx')
WARM_UP = 3  # rounds


def random_hands(count: int, device: str) -> tuple[Tensor, Tensor]:
    """Rotations (count, 16, 3, 3) and shapes (count, 10) that ask for gradients."""
    draw = torch.Generator().manual_seed(0)
    angles = 0.5 * torch.randn(count, 16, 3, generator=draw)
    betas = torch.randn(count, 10, generator=draw)
    leaves = matrix_from_axis_angle(angles), betas
    return tuple(leaf.to(device).requires_grad_() for leaf in leaves)


def forward(layer: MANOLayer, hands: tuple[Tensor, Tensor]) -> None:
    """Vertices alone."""
    with torch.no_grad():
        layer(*hands)


def step(layer: MANOLayer, hands: tuple[Tensor, Tensor]) -> None:
    """Vertices, and gradients of what they came from."""
    torch.autograd.grad(layer(*hands).square().sum(), hands)


def seconds_of(work: Callable, layer: MANOLayer, hands: tuple[Tensor, Tensor]) -> float:
    """Wall-clock time of one call, the device's work included."""
    cuda = hands[0].is_cuda
    if cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work(layer, hands)
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def row_of(work: Callable, layers: dict, count: int, args: argparse.Namespace) -> str:
    """One line of the table."""
    hands = random_hands(count, args.device)
    rounds = [
        {name: seconds_of(work, layer, hands) for name, layer in layers.items()}
        for _ in range(WARM_UP + args.rounds)
    ][WARM_UP:]
    own, smplx = (
        1e3 * statistics.median(times[name] for times in rounds) for name in BACKENDS
    )
    ratio = statistics.median(times['smplx'] / times['own'] for times in rounds)
    return f'{work.__name__:9}{count:6}{own:10.2f}{smplx:12.2f}{ratio:13.2f}'


def main(argv: list[str] | None = None) -> None:
    """Print how far the two differ, then the table."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    with plain_errors(building=True):
        layers = {name: MANOLayer(backend=name).to(args.device) for name in BACKENDS}
    with torch.no_grad():
        meshes = [layer(*random_hands(64, args.device)) for layer in layers.values()]
    largest = float((meshes[0] - meshes[1]).abs().max())
    print(f'largest difference over 64 hands: {largest:.1e} m')
    print('          hands  own [ms]  smplx [ms]  smplx / own')
    for work in (forward, step):
        for count in args.hands:
            print(row_of(work, layers, count, args))


if __name__ == '__main__':
    main()
