"""What one card does with a training step: speed, bytes, waits, and how busy it is.

Prints, in under six minutes, images a second by precision, batch size and with
torch.compile, with a real data loader where the config's data set is on this machine;
time and bytes of each part; how often the host waits; and the share of a step in which
the device computes. On a CPU it prints what can be told there and says what cannot.

Example:
    python tools/benchmarks/gpu.py
    python tools/benchmarks/gpu.py --device cpu --batch-sizes 1 --steps 1
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = ('fp32', 'tf32', 'bf16')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(ROOT / 'configs/dne_interhand.py'))
    parser.add_argument('--device', default='cuda')
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', default=[30, 120], help='default: 30 120'
    )
    parser.add_argument(
        '--precisions', nargs='+', choices=PRECISIONS, default=list(PRECISIONS)
    )
    parser.add_argument('--steps', type=int, default=10, help='timed, default: 10')
    parser.add_argument('--no-compile', action='store_true', help='leave its row out')
    parser.add_argument(
        '--seconds',
        type=float,
        default=330,
        help='rows that would begin later are left out, default: 330',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

sys.path.insert(0, str(ROOT))

import warnings
from types import SimpleNamespace

import torch
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from step_models import build, hand_batch, load_config, watch_parts
from stopwatch import BACKWARD, Stopwatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from train_step import copy_batch

from mmhand_dne.engine.hooks import FiniteLossHook
from mmhand_dne.errors import UserError

WARM_UP = 3  # steps before the timed ones
VIEWS = frozenset(
    'view _unsafe_view t transpose expand unsqueeze squeeze slice select permute '
    'detach alias as_strided split split_with_sizes unbind unflatten diagonal empty '
    'empty_like new_empty empty_strided lift_fresh'.split()
)


class Bytes(TorchDispatchMode):
    """Bytes that operators read and write, each tensor once a call, views free."""

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if function._overloadpacket.__name__ not in VIEWS:
            tensors = {
                id(value): value
                for value in tree_leaves((args, kwargs, made))
                if isinstance(value, torch.Tensor)
            }
            self.total += sum(map(stored_bytes, tensors.values()))
        return made


def stored_bytes(tensor: torch.Tensor) -> int:
    """Of what a tensor shows; an expanded dimension holds one entry."""
    count = tensor.numel()
    for size, stride in zip(tensor.shape, tensor.stride()):
        if stride == 0 and size > 1:
            count //= size
    return count * tensor.element_size()


class ByteWatch(Stopwatch):
    """A :class:`Stopwatch` whose hand moves with bytes in place of seconds."""

    def __init__(self, bytes_moved: Bytes) -> None:
        super().__init__(cuda=False)
        self.bytes_moved = bytes_moved

    def _now(self) -> float:
        return float(self.bytes_moved.total)


class Step:
    """A model with its optimiser, hook and resident batch, as a run trains it.

    Args:
        args: of the command line.
        precision: one of ``PRECISIONS``.
        batch_size: images.
        compiled: by torch.compile; parameter names and groups stay what they are.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        precision: str,
        batch_size: int,
        compiled: bool = False,
    ) -> None:
        self.cuda = args.device.startswith('cuda')
        torch.backends.cuda.matmul.allow_tf32 = precision != 'fp32'
        torch.backends.cudnn.allow_tf32 = precision != 'fp32'
        torch.backends.cudnn.benchmark = True
        cfg = load_config('dne', args.config)
        if precision == 'bf16':
            cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        self.network, self.optimiser = build('dne', cfg, args.device)
        self.batch = hand_batch(self.network, batch_size, cfg.input_size)
        self.count = batch_size
        self.hook = FiniteLossHook()
        self.hook.before_train(
            SimpleNamespace(model=self.network, optim_wrapper=self.optimiser)
        )
        if compiled:
            for part in ('backbone', 'neck', 'aux_head', 'mano_head'):
                getattr(self.network, part).compile()

    def __call__(self, batch: dict | None = None) -> None:
        """One step on a batch of a loader, or on the resident one."""
        batch = batch or copy_batch(self.batch)
        self.network.train_step(batch, self.optimiser)
        self.hook.after_train_iter(None, 0, outputs={})

    def wait(self) -> None:
        """Until the device has done all that it was asked."""
        if self.cuda:
            torch.cuda.synchronize()

    def images_a_second(self, steps: int, batches=None) -> float:
        """After a warm-up, over so many steps; ``batches`` come from a loader."""
        source = iter(batches) if batches is not None else None
        sizes = []
        for number in range(WARM_UP + steps):
            if number == WARM_UP:
                self.wait()
                start, sizes = time.perf_counter(), []
            batch = next(source) if source is not None else None
            sizes.append(len(batch['inputs']) if batch else self.count)
            self(batch)
        self.wait()
        return sum(sizes) / (time.perf_counter() - start)


def loader_of(args: argparse.Namespace, batch_size: int):
    """The config's own loader of training images with that batch size.

    Raises: FileNotFoundError where its data set is not on this machine.
    """
    cfg = load_config('dne', args.config)
    cfg.train_dataloader.batch_size = batch_size
    return Runner.build_dataloader(cfg.train_dataloader, seed=0)


def waits_of(step: Step) -> Counter:
    """Lines of ours at which the host waits in a step, as CUDA's own check tells."""
    step()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    found = (w for w in caught if 'synchroniz' in str(w.message))
    return Counter(f'{Path(w.filename).name}:{w.lineno}' for w in found)


def busy_share(step: Step, steps: int) -> float:
    """Seconds of kernels over seconds of steps."""
    step()
    step.wait()
    activity = torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[activity]) as profile:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        step.wait()
        elapsed = time.perf_counter() - start
    kernels = sum(event.self_device_time_total for event in profile.key_averages())
    return 1e-6 * kernels / elapsed


def parts_of(args: argparse.Namespace, precision: str, size: int) -> dict[str, list]:
    """Milliseconds and megabytes an image of each part, both ways together."""
    table: dict[str, list] = {}
    for column in range(2):
        step, moved = Step(args, precision, size), Bytes()
        watch = Stopwatch(step.cuda) if column == 0 else ByteWatch(moved)
        step()
        watch_parts(watch, step.network, step.optimiser)
        step.network.train_step = watch.timed(step.network.train_step, 'other')
        if column == 0:
            step()
        else:
            with moved:
                step()
        unit = 1e3 if column == 0 else 1e-6
        for name, value in watch.take().items():
            row = table.setdefault(name.removesuffix(BACKWARD), [0.0, 0.0])
            row[column] += unit * value / size
    return table


def print_speeds(args: argparse.Namespace, begin: float) -> None:
    """Images a second, a row for precision, batch size and compilation."""
    print('\n| precision | batch | compiled | images/s | with data |')
    print('|---|---:|---|---:|---:|')
    rows = [(p, b, False) for p in args.precisions for b in args.batch_sizes]
    if not args.no_compile:
        rows.append((args.precisions[-1], args.batch_sizes[-1], True))
    for precision, size, compiled in rows:
        if time.perf_counter() - begin > args.seconds:
            print(f'| {precision} | {size} | {compiled} | left out: no time | |')
            continue
        step = Step(args, precision, size, compiled)
        speed = step.images_a_second(args.steps)
        try:
            batches = loader_of(args, size)
        except (FileNotFoundError, UserError):
            data = 'no data set here'
        else:
            data = f'{step.images_a_second(args.steps, batches):.1f}'
        print(f'| {precision} | {size} | {compiled} | {speed:.1f} | {data} |')


def main(argv: list[str] | None = None) -> None:
    """Print the three tables and the two numbers."""
    args = parse_args(argv)
    begin = time.perf_counter()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    cuda = args.device.startswith('cuda')
    if cuda and not torch.cuda.is_available():
        raise SystemExit(
            f'--device {args.device}: torch finds no CUDA device here; '
            'use --device cpu for the part of the tables that a CPU can tell'
        )
    name = torch.cuda.get_device_name() if cuda else 'CPU'
    print(f'{name}, torch {torch.__version__}, {Path(args.config).name}')
    print_speeds(args, begin)
    precision, size = args.precisions[-1], args.batch_sizes[0]
    print(f'\n| part, {precision}, batch {size} | ms an image | MB an image |')
    print('|---|---:|---:|')
    for part, (milliseconds, megabytes) in parts_of(args, precision, size).items():
        print(f'| {part} | {milliseconds:.3f} | {megabytes:.1f} |')
    if not cuda:
        print('\nWaits and busy share: not told by a CPU, see')
        print('tests/test_engine/test_waits_for_the_device.py for the waits')
        return
    step = Step(args, precision, size)
    waits = waits_of(step)
    print(f'\nwaits for the device a step: {waits.total()} {dict(waits)}')
    print(f'share in which it computes: {busy_share(step, args.steps):.2f}')


if __name__ == '__main__':
    main()
