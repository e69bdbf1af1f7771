"""How cost grows on one page: with batch, hands, M, R, D, map size, frames and images.

Each axis changes one thing of a training step and leaves the rest as the config has it;
the last two are the frames of a video through the shipped model and the images of a
data set until it is open. Prints a table and writes the plot. Times are those of the
CPU in this process, which other work on the machine changes little; of a device by the
clock.

Example:
    python tools/benchmarks/growth.py --out growth.png
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 2  # images of a step, where the batch is not the axis
AXES = {
    'batch': (1, 2, 4),
    'hands': (1, 2),
    'M': (0, 1, 3),
    'R': (1, 2, 4),
    'D': (16, 32, 64),
    'map': (32, 64),
    'frames': (8, 16, 32),
    'images': (5000, 20000, 80000),
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(ROOT / 'configs/dne_interhand.py'))
    parser.add_argument('--axes', nargs='+', choices=AXES, default=list(AXES))
    parser.add_argument(
        '--values', type=int, nargs='+', help='of each axis; default: its own'
    )
    parser.add_argument('--repeats', type=int, default=3, help='default: 3')
    parser.add_argument('--threads', type=int, default=1, help='default: 1')
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--photo',
        type=Path,
        default=ROOT / 'tests/data/hands/1193_4.jpg',
        help='what every frame of the video shows',
    )
    parser.add_argument('--out', type=Path, help='write the plot to this file')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

sys.path.insert(0, str(ROOT))

import matplotlib
import torch
from dataset_scale import build as open_set
from dataset_scale import prepare
from interhand_numbers import write_files
from latency_runs import PyTorchRun
from mmengine.config import Config
from mmengine.logging import MMLogger
from step_models import build, hand_batch, load_config
from train_step import copy_batch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.fileio.images import read_image

UNITS = {'frames': 's a video', 'images': 's to open'}  # a step has ms


def changed(cfg: Config, axis: str, value: int) -> int:
    """Change the config as the axis says; returns the batch size."""
    refine = cfg.model.refine_head
    if axis == 'M' and value == 0:
        cfg.model.refine_head = None
    elif axis == 'M':
        refine.num_stages = value
    elif axis == 'R':
        refine.num_samples = value
    elif axis == 'D':
        refine.num_cells = value
    elif axis == 'map':
        cfg.input_size = cfg.input_size * value // refine.map_size
        refine.map_size = value
    return value if axis == 'batch' else BATCH


def without_left_hand(batch: dict) -> None:
    """The images show the right hand alone: slot 1 has no labels."""
    for sample in batch['data_samples']:
        labels = sample.gt_instance_labels
        for name in labels.keys():
            if name.endswith(('_valid', 'hand_presence')):
                if name != 'hand_presence_valid':
                    labels[name][:, 1] = 0


def cpu_or_clock(work: Callable[[], None], device: str) -> float:
    """Seconds of one call: of the CPU, or of the clock on another device."""
    if device == 'cpu':
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def step_work(axis: str, value: int, args: argparse.Namespace) -> Callable[[], None]:
    """A training step, ready to be timed."""
    cfg = load_config('dne', args.config)
    size = changed(cfg, axis, value)
    network, optimiser = build('dne', cfg, args.device)
    batch = hand_batch(network, size, cfg.input_size)
    if axis == 'hands' and value == 1:
        without_left_hand(batch)
    return lambda: network.train_step(copy_batch(batch), optimiser)


def video_work(value: int, args: argparse.Namespace) -> Callable[[], None]:
    """So many equal frames through the shipped model, hands followed."""
    inferencer = HandMeshInferencer(device=args.device)
    run = PyTorchRun(inferencer, args.device != 'cpu', {})
    images = [read_image(args.photo)] * value
    return lambda: list(run.video(images))


def images_work(value: int, folder: Path) -> Callable[[], None]:
    """Opening a data set of so many images by its index."""
    paths = write_files(folder, value)
    prepare(paths)
    return lambda: open_set('index', paths)


def cost(axis: str, value: int, args: argparse.Namespace) -> float:
    """Median over the repeats, in the axis' unit, after one call to warm up."""
    with tempfile.TemporaryDirectory() as folder:
        if axis == 'frames':
            work = video_work(value, args)
        elif axis == 'images':
            work = images_work(value, Path(folder))
        else:
            work = step_work(axis, value, args)
        work()
        times = [cpu_or_clock(work, args.device) for _ in range(args.repeats)]
    return statistics.median(times) * (1 if axis in UNITS else 1e3)


def table(found: dict[str, dict[int, float]]) -> str:
    """A row an axis: each value with its cost, and the last over the first."""
    rows = ['| axis | unit | cost at each value | last / first |', '|---|---|---|---:|']
    for axis, costs in found.items():
        cells = ', '.join(f'{value}: {number:.4g}' for value, number in costs.items())
        first, *_, last = costs.values()
        unit = UNITS.get(axis, 'ms a step')
        rows.append(f'| {axis} | {unit} | {cells} | {last / first:.2f} |')
    return '\n'.join(rows)


def draw(found: dict[str, dict[int, float]], path: Path) -> None:
    """A small plot an axis, from zero, on one page."""
    matplotlib.use('Agg')
    from matplotlib import pyplot, ticker

    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure, plots = pyplot.subplots(
        rows, columns, figsize=(3.2 * columns, 2.6 * rows), squeeze=False
    )
    for plot in plots.flat[len(found) :]:
        plot.set_axis_off()
    for plot, (axis, costs) in zip(plots.flat, found.items()):
        plot.plot(list(costs), list(costs.values()), 'o-')
        plot.set_xlabel(axis)
        plot.set_ylabel(UNITS.get(axis, 'ms a step'))
        plot.set_xticks(list(costs))  # only what was measured
        plot.xaxis.set_major_formatter(ticker.EngFormatter(sep=''))  # 20k
        plot.set_ylim(0, 1.1 * max(costs.values()))  # the last point whole
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> dict[str, dict[int, float]]:
    """Measure, print, and draw where asked; returns the costs by axis and value."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    MMLogger.get_instance('benchmark', log_level='ERROR')
    found: dict[str, dict[int, float]] = {}
    for axis in args.axes:
        found[axis] = {
            value: cost(axis, value, args) for value in args.values or AXES[axis]
        }
    print(f'{Path(args.config).name}, {args.device}, {args.threads} threads\n')
    print(table(found))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        draw(found, args.out)
        print(f'\nplot: {args.out}')
    return found


if __name__ == '__main__':
    main()
