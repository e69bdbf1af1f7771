"""Bytes that a stage moves through memory in training, forward and backward, by count.

One DNE stage on random features, along the ways that it takes on a GPU: with the parts
that it had before (folder ``former``), as it is, and with ``fused=True``. Every
operator counts the tensors that it reads and writes once, views are free, and a kernel
what it is given. Counts come from shapes alone: no device and no Triton is needed, and
they say nothing of speed.

Example:
    python tools/benchmarks/stage_bytes.py
"""

import argparse
import multiprocessing
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = ('bf16', 'fp32')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(ROOT / 'configs/dne_interhand.py'))
    parser.add_argument('--batch-size', type=int, default=2)
    parser.add_argument(
        '--precisions', nargs='+', choices=PRECISIONS, default=list(PRECISIONS)
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

sys.path.insert(0, str(ROOT))

import numpy as np
import torch
from former.keyed_draws import use_former_draws
from former.parts import use_former_parts
from gpu import Bytes, stored_bytes
from mmengine.config import Config
from mmengine.logging import MMLogger
from step_calls import READERS
from step_models import build, load_config
from torch import Tensor, nn

from mmhand_dne.models.layers import dne_stage, fused_stage
from mmhand_dne.models.layers.dne_stage import Regressed
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.randomness import keys
from mmhand_dne.structures.hand_state import HandState

WAYS = ('before', 'plain', 'fused')
DTYPES = {'bf16': torch.bfloat16, 'fp32': torch.float32}


def as_on_a_gpu(way: str, network: nn.Module, moved: Bytes) -> None:
    """Take the ways of a GPU, in this process for good; kernels only count."""
    if way == 'before':
        use_former_parts(network)
        use_former_draws()
    for module in READERS:
        module.reading_is_free = lambda tensor: False
    keys.is_host = lambda device: False
    read = dne_stage.bilinear

    def uncast(features: Tensor, points_ndc: Tensor) -> Tensor:
        # A CPU's autocast reads maps in float32, CUDA's as they come.
        with torch.autocast('cpu', enabled=False):
            return read(features, points_ndc)

    def counted(kernel: str, reads: tuple, writes: tuple, *sizes: int) -> None:
        given = (*reads, *writes)
        total = moved.total + sum(map(stored_bytes, given))
        for values in writes:
            values.zero_()  # so that what comes after has numbers
        moved.total = total

    dne_stage.bilinear = uncast
    fused_stage.launch, fused_stage.require_kernels = counted, lambda device: None
    keys.launch = lambda starts, normal, pairs: counted('normal', (starts,), (normal,))


def stage_inputs(network: nn.Module, cfg: Config, size: int, dtype: torch.dtype):
    """F, the state, u_r and f_r, and the draws, as a stage of a training step has."""
    head, pair = cfg.model.refine_head, network.hand_model
    features = torch.randn(
        size, head.in_channels, head.map_size, head.map_size, dtype=dtype
    )
    vertices = pair.template.expand(size, -1, -1, -1).clone().requires_grad_()
    count = vertices.shape[2]
    camera = torch.tensor([[8.0, 0.0], [8.0, 0.0]]).expand(size, 2, 2, 2).clone()
    state = HandState(
        vertices,
        pair.regress_joints(vertices.detach()),
        torch.zeros(size, 2, 3),
        camera.requires_grad_(),
    )
    regressed = Regressed(
        torch.rand(size, 2, count, 2),
        torch.randn(size, 2, count, head.in_channels, dtype=dtype).requires_grad_(),
    )
    refine_head = network.refine_head
    draws = NoiseDraws(
        refine_head.num_samples, np.arange(size), fused=refine_head.fused
    )
    return features.requires_grad_(), state, regressed, draws.of_stage(0)


def count(way: str, precision: str, args: argparse.Namespace) -> tuple[float, float]:
    """Megabytes an image that one stage moves forward and backward."""
    MMLogger.get_instance('benchmark', log_level='ERROR')
    cfg, moved = load_config('dne', args.config), Bytes()
    cfg.model.refine_head.fused = way == 'fused'
    network, _ = build('dne', cfg, 'cpu')
    as_on_a_gpu(way, network, moved)
    inputs = stage_inputs(network, cfg, args.batch_size, DTYPES[precision])
    autocast = torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bf16')
    stage = network.refine_head.stages[0]
    with moved, autocast:
        features = stage.ready(inputs[0])  # once for all stages, here in the one
        refined = stage(features, *inputs[1:])
    forward = moved.total
    outputs = (refined.sample_vertices, refined.sample_cameras, *refined.state)
    loss = sum(values.float().sum() for values in outputs if values.requires_grad)
    leaves = inputs[0], *inputs[1][::3], inputs[2].features, *stage.parameters()
    with moved:
        torch.autograd.grad(loss, leaves)
    scale = 1e-6 / args.batch_size
    return forward * scale, (moved.total - forward) * scale


def count_apart(way: str, precision: str, args: argparse.Namespace):
    """:func:`count` in a process of its own, in which former parts stay."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(count, (way, precision, args))


def main(argv: list[str] | None = None) -> dict[tuple[str, str], tuple[float, float]]:
    """Count, print a table, and return its megabytes by way and precision."""
    args = parse_args(argv)
    found = {}
    print('| MB an image and stage | forward | backward | both | share of before |')
    print('|---|---:|---:|---:|---:|')
    for precision in args.precisions:
        for way in WAYS:
            numbers = found[way, precision] = count_apart(way, precision, args)
            share = sum(numbers) / sum(found['before', precision])
            cells = ' | '.join(f'{number:.0f}' for number in (*numbers, sum(numbers)))
            print(f'| {precision}, {way} | {cells} | {share:.3f} |')
    return found


if __name__ == '__main__':
    main()
