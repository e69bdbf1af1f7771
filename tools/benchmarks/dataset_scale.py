"""Time and memory of opening and reading InterHand2.6M's annotations at their size.

    python tools/benchmarks/dataset_scale.py                  # 20 k frames
    python tools/benchmarks/dataset_scale.py --frames 20000 1361062

Writes annotation files of the official schema with made-up numbers into a temporary
folder, which is deleted afterwards (1.36 million frames: 1.2 GB). Prints a line per
reader: seconds until the data set is open, its samples per second in one process, and
after random reads with worker processes the proportional memory (PSS) of the parent and
of all processes. No image is decoded. MMPose's InterHand3DDataset is measured on small
files alone. Each line is a process of its own.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mmhand_dne  # noqa: F401  MMPose is importable after it


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--frames', type=int, nargs='+', default=[20000])
    parser.add_argument(
        '--reads',
        type=int,
        default=10000,
        help='random reads with workers (default: 10000)',
    )
    parser.add_argument('--workers', type=int, default=8)
    parser.add_argument(
        '--folder',
        type=Path,
        help="for the files (default: the system's temporary folder)",
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='also read the JSON files without an index, at all sizes',
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
import torch
from interhand_numbers import write_files
from mmengine.registry import DefaultScope
from mmpose.datasets import InterHand3DDataset
from torch.utils.data import DataLoader

from mmhand_dne.datasets.datasets import InterHandMeshDataset
from mmhand_dne.datasets.readers.index_file import write_index
from mmhand_dne.datasets.readers.interhand_table import (
    SCHEMA,
    VERSION,
    InterHandFiles,
    read_table,
)

GIGABYTE = 1e9
SMALL = 50000  # frames; MMPose's data set takes 30 GB for a million
TIMED = 300  # samples in one process
HEAD = (
    f'{"frames":>10}  {"reader":<34}{"open s":>8}{"samples/s":>11}'
    f'{"parent GB":>11}{"all GB":>8}{"peak GB":>9}'
)


def build(kind: str, paths: dict[str, str]):
    """Open a data set of one kind."""
    arguments = {key: str(path) for key, path in paths.items()}
    with DefaultScope.overwrite_default_scope('mmpose'):
        if kind == 'mmpose':
            return InterHand3DDataset(
                ann_file=arguments['ann_file'],
                joint_file=arguments['joint_file'],
                camera_param_file=arguments['camera_file'],
                data_root='/',
            )
        if kind.endswith('joints'):
            arguments.pop('mano_file')
        index = 'beside' if kind.startswith('index') else None
        # Made-up labels are of no hand.
        return InterHandMeshDataset(**arguments, index=index, allow_other_hand=True)


def prepare(paths: dict) -> dict:
    """Write the index as prepare_interhand.py does, without looking at images."""
    files = InterHandFiles(
        *(
            Path(paths[key])
            for key in ('ann_file', 'camera_file', 'joint_file', 'mano_file')
        )
    )
    start = time.perf_counter()
    table = read_table(files)
    write_index(
        files.index, SCHEMA, VERSION, table.all_columns(), table.meta, files.present()
    )
    return dict(open=time.perf_counter() - start, peak=peak())


def measure(kind: str, paths: dict, reads: int, workers: int) -> dict:
    """Open, read in one process, read with workers."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    dataset = build(kind, paths)
    opened = time.perf_counter() - start
    rows = np.random.default_rng(0).integers(0, len(dataset), (2, max(reads, TIMED)))
    dataset[int(rows[0, 0])]
    start = time.perf_counter()
    for row in rows[0, :TIMED]:
        dataset[int(row)]
    rate = TIMED / (time.perf_counter() - start)
    found = dict(open=opened, rate=rate)
    if reads:
        found['parent'], found['all'] = memory_with_workers(
            dataset, rows[1, :reads].tolist(), workers
        )
    return dict(found, peak=peak())


def memory_with_workers(dataset, rows: list[int], workers: int) -> tuple[float, float]:
    """PSS of this process and of it with its workers after reading rows, GB."""
    with warnings.catch_warnings():
        # As many workers as asked for, whatever this machine has for them.
        warnings.filterwarnings('ignore', 'This DataLoader will create')
        loader = DataLoader(
            dataset,
            batch_size=50,
            sampler=rows,
            num_workers=workers,
            collate_fn=len,
            persistent_workers=True,
            multiprocessing_context='fork',
        )
        done = sum(loader)
    if done != len(rows):
        raise RuntimeError(f'{done} of {len(rows)} samples arrived')
    parent = pss('self')
    children = multiprocessing.active_children()
    return parent, parent + sum(pss(child.pid) for child in children)


def pss(process) -> float:
    """Proportional set size: shared pages count by their share. GB."""
    for line in Path(f'/proc/{process}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) * 1024 / GIGABYTE
    raise RuntimeError('the kernel gives no proportional memory')


def peak() -> float:
    """Largest resident memory of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE


def in_process(function, *arguments) -> dict:
    """Call in a fresh interpreter, so that nothing is left of other readers."""
    context = multiprocessing.get_context('spawn')
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, function, arguments))
    process.start()
    there.close()  # so that a process that died ends the waiting
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f'{function.__name__} failed, see above') from None
    finally:
        process.join()


def _send(pipe, function, arguments) -> None:
    pipe.send(function(*arguments))


def show(frames: int, name: str, values: dict) -> None:
    """Print one line."""
    numbers = [
        f'{values[key]:{width}.{digits}f}' if key in values else ' ' * width
        for key, width, digits in (
            ('open', 8, 2),
            ('rate', 11, 0),
            ('parent', 11, 2),
            ('all', 8, 2),
            ('peak', 9, 2),
        )
    ]
    print(f'{frames:>10,}  {name:<34}' + ''.join(numbers), flush=True)


def main() -> None:
    """Print the table, a line for each reader and size."""
    args = parse_args()
    readers = [
        ('index', 'InterHandMeshDataset, index'),
        ('index, joints', '  the same without meshes'),
    ]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(HEAD, flush=True)
        for frames in args.frames:
            files = Path(folder) / str(frames)
            files.mkdir()
            paths = {key: str(path) for key, path in write_files(files, frames).items()}
            show(frames, 'writing the index', in_process(prepare, paths))
            chosen = list(readers)
            if args.json or frames <= SMALL:
                chosen.append(('json', 'InterHandMeshDataset, JSON'))
            if frames <= SMALL:
                chosen.append(('mmpose', 'InterHand3DDataset of MMPose'))
            for kind, name in chosen:
                reads = 0 if kind.endswith('joints') else args.reads
                show(
                    frames, name, in_process(measure, kind, paths, reads, args.workers)
                )
    print(json.dumps(dict(reads=args.reads, workers=args.workers)))


if __name__ == '__main__':
    main()
