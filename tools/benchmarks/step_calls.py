"""How many operators a training step calls: the host's work, however fast the device.

Counts every call that reaches torch's dispatcher, views left out, forward, backward and
optimiser, with draws keyed by image as in a run, of the present step and of the one
with the parts that it had before (folder ``former``). Where the code asks whether the
host may read a tensor's numbers, or make them, the answer is no, as on a GPU. Counts do
not depend on how busy the machine is.

Example:
    python tools/benchmarks/step_calls.py
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(ROOT / 'configs/dne_interhand.py'))
    parser.add_argument('--batch-size', type=int, default=2)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

sys.path.insert(0, str(ROOT))

from former.keyed_draws import use_former_draws
from former.parts import former_config, use_former_parts
from gpu import VIEWS
from mmengine.logging import MessageHub, MMLogger
from step_models import build, hand_batch, load_config
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from train_step import copy_batch

from mmhand_dne.geometry import rasterize, sampling, three_view
from mmhand_dne.models.data_preprocessors.gaussian_noise import BatchGaussianNoise
from mmhand_dne.models.estimators import hand_mesh_estimator
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.randomness import keys

READERS = rasterize, sampling, three_view  # which take other ways on a CPU
WAYS = ('before', 'now')
PARTS = ('preprocessing', 'draws', 'forward', 'losses', 'backward', 'optimiser')


class Calls(TorchDispatchMode):
    """Operators called, views left out, by the part that calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self.part = Counter(), 'forward'

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._overloadpacket.__name__ not in VIEWS:
            self.found[self.part] += 1
        return function(*args, **(kwargs or {}))

    def within(self, owner: object, name: str, part: str) -> None:
        """Count what a method calls as a part's."""
        call = getattr(owner, name)

        def named(*args, **kwargs):
            before, self.part = self.part, part
            try:
                return call(*args, **kwargs)
            finally:
                self.part = before

        setattr(owner, name, named)


def watch(calls: Calls, network: nn.Module, optimiser: object) -> None:
    """Tell the parts of a step from one another."""
    calls.within(network.data_preprocessor, 'forward', 'preprocessing')
    calls.within(BatchGaussianNoise, 'forward', 'draws')
    calls.within(NoiseDraws, 'normal', 'draws')
    calls.within(hand_mesh_estimator, 'batch_keys', 'draws')
    calls.within(optimiser, 'backward', 'backward')
    for name in ('step', 'zero_grad'):
        calls.within(optimiser, name, 'optimiser')
    calls.within(network, 'targets_of', 'losses')
    for head in (network.mano_head, network.aux_head, network.refine_head):
        if head is not None:
            calls.within(head, 'loss', 'losses')


def count(way: str, args: argparse.Namespace) -> Counter:
    """Calls of the second step, by part."""
    MMLogger.get_instance('benchmark', log_level='ERROR')
    hub = MessageHub.get_instance('calls')  # draws are keyed by these two
    hub.update_info('seed', 0)
    hub.update_info('iter', 1)
    cfg = load_config('dne', args.config)
    if way == 'before':
        former_config(cfg)
    network, optimiser = build('dne', cfg, 'cpu')
    batch, calls = hand_batch(network, args.batch_size, cfg.input_size), Calls()
    if way == 'before':
        use_former_parts(network)
        use_former_draws()
    for module in READERS:
        module.reading_is_free = lambda tensor: False
    keys.is_host = lambda device: False
    network.train_step(copy_batch(batch), optimiser)
    watch(calls, network, optimiser)
    with calls:
        network.train_step(copy_batch(batch), optimiser)
    return calls.found


def count_apart(way: str, args: argparse.Namespace) -> Counter:
    """:func:`count` in a process of its own, in which former parts stay."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(count, (way, args))


def main(argv: list[str] | None = None) -> dict[str, Counter]:
    """Count, print a table, and return what it holds."""
    args = parse_args(argv)
    found = {way: count_apart(way, args) for way in reversed(WAYS)}
    print('| calls of a step | before | now | share |\n|---|---:|---:|---:|')
    for part in PARTS:
        print_row(part, *(found[way][part] for way in WAYS))
    print_row('all', *(found[way].total() for way in WAYS))
    return found


def print_row(name: str, before: int, now: int) -> None:
    """A line of the table."""
    share = f'{now / before:.2f}' if before else ''
    print(f'| {name} | {before} | {now} | {share} |')


if __name__ == '__main__':
    main()
