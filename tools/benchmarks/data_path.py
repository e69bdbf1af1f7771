"""What a training sample costs: in a worker, on its way, and in the main process.

Measures the training pipeline of InterHand2.6M, hands posed with their batch, beside
the way before, each worker posing its own, in one run on the same samples, in turns.
Prints processor time, bytes of labels, and how far ground truth and crops differ.

    python tools/benchmarks/data_path.py
    python tools/benchmarks/data_path.py --data-root data/interhand2.6m
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data-root', type=Path, help='InterHand2.6M (default: renders a few images)'
    )
    parser.add_argument('--images', type=int, default=30, help='different ones')
    parser.add_argument('--batch-size', type=int, default=30)
    parser.add_argument('--rounds', type=int, default=10, help='over all images')
    parser.add_argument('--device', default='cpu', help='that poses the batch')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
import torch
from data_path_before import transforms_before
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS, MODELS
from torch.utils.data import DataLoader, Dataset

from mmhand_dne.datasets.collate import stack_crops
from mmhand_dne.datasets.synthetic import (
    HandModels,
    merge_annotations,
    plan_frames,
    write_frame,
)
from mmhand_dne.datasets.workers import use_one_thread
from mmhand_dne.randomness.pipeline import SampleKey
from mmhand_dne.rendered_recipe import Recipe
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.unposed_labels import on_device

CONFIG = Path(__file__).resolve().parents[2] / 'configs/dne_interhand.py'
WAYS = ('before', 'now')
MILLI, MILLIMETRES = 1e3, 1e3


def render(folder: Path, count: int) -> Path:
    """Images of InterHand2.6M's size with their annotations."""
    recipe = Recipe()
    models, frames = HandModels(), plan_frames(recipe, 'train', count)
    for frame in frames:
        write_frame(folder, recipe, models, frame)
    merge_annotations(folder, recipe, frames)
    return folder


def open_both(root: Path, config: Config) -> dict[str, Dataset]:
    """The training set by way."""
    arguments = dict(config.train_dataloader.dataset, data_root=str(root))
    found = {}
    for way in WAYS:
        with DefaultScope.overwrite_default_scope('mmpose'):
            found[way] = DATASETS.build(dict(arguments, posed=way == 'before'))
    steps = found['now'].pipeline.transforms
    found['before'].pipeline.transforms[:] = transforms_before(steps[2], steps[1].prob)
    return found


def sample_times(sets: dict, count: int, rounds: int) -> dict[str, float]:
    """Milliseconds of processor time a sample, by way, in turns; the mean over images
    of each one's least."""
    found = {way: np.full(count, np.inf) for way in sets}
    for epoch in range(rounds):
        for index in range(count):
            # The same draws each round: the same work.
            key = SampleKey(index, 0, 0)
            for way in sets if epoch % 2 else reversed(sets):
                start = time.process_time()
                sets[way][key]
                spent = time.process_time() - start
                found[way][index] = min(found[way][index], spent)
    return {way: MILLI * float(times.mean()) for way, times in found.items()}


class Repeated(Dataset):
    """The images of a set again and again, in new crops."""

    def __init__(self, dataset: Dataset, images: int, length: int) -> None:
        self.dataset, self.images, self.length = dataset, images, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        return self.dataset[SampleKey(index % self.images, 0, index // self.images)]


def main_times(
    sets: dict, preprocess: Callable, args: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds of the main thread an image, by way, without posing: receiving a
    batch, stacking crops and labels, MMPose's notes in each sample."""
    found = {}
    for way, dataset in sets.items():
        loader = DataLoader(
            Repeated(dataset, args.images, (args.rounds + 1) * args.batch_size),
            args.batch_size,
            num_workers=1,
            collate_fn=pseudo_collate if way == 'before' else stack_crops,
        )
        batches, spent = iter(loader), []
        for _ in range(args.rounds + 1):
            start = time.thread_time()
            data = preprocess.cast_data(next(batches))
            samples = data['data_samples']
            for sample in samples:
                shape = tuple(data['inputs'].shape[-2:])
                sample.set_metainfo(dict(batch_input_shape=shape, pad_shape=shape))
            on_device([s.gt_instance_labels for s in samples], torch.device('cpu'))
            spent.append(time.thread_time() - start)
        found[way] = MILLI * min(spent[1:]) / args.batch_size
    return found


def posing_time(batch: list, device: str, rounds: int) -> float:
    """Milliseconds of processor time an image to pose a batch on a device, at least."""
    spent = []
    for _ in range(rounds + 1):
        start = time.process_time()
        HandTargets.from_samples(batch, device)
        if device != 'cpu':
            torch.cuda.synchronize()
        spent.append(time.process_time() - start)
    return MILLI * min(spent[1:]) / len(batch)


def differences(batches: dict[str, list[dict]]) -> dict[str, float]:
    """Largest ones, of points in metres, of masks and of crops in grey values."""
    old, new = (
        HandTargets.from_samples([packed['data_samples'] for packed in batches[way]])
        for way in WAYS
    )
    apart = {
        name: float((getattr(old, name) - getattr(new, name)).abs().max())
        for name in HandTargets._fields
    }
    crops = [
        int((one['inputs'].int() - other['inputs'].int()).abs().max())
        for one, other in zip(batches['before'], batches['now'])
    ]
    points = ('vertices', 'joints', 'root_cam', 'vertices_cam', 'rotations', 'betas')
    return dict(
        points=max(apart[name] for name in points),
        masks=max(value for name, value in apart.items() if name.endswith('valid')),
        crops=float(max(crops)),
    )


def measure(root: Path, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All numbers, by row and way."""
    config = Config.fromfile(CONFIG)
    sets = open_both(root, config)
    args.images = min(args.images, len(sets['now']))
    with DefaultScope.overwrite_default_scope('mmpose'):
        preprocess = MODELS.build(config.model.data_preprocessor)
    keys = [SampleKey(index, 0, 1) for index in range(args.images)]
    batches = {way: [part[key] for key in keys] for way, part in sets.items()}
    samples = {way: [x['data_samples'] for x in batches[way]] for way in WAYS}
    sizes = {
        way: len(bytes(ForkingPickler.dumps(part))) / len(part)
        for way, part in samples.items()
    }
    batch = [samples['now'][i % args.images] for i in range(args.batch_size)]
    return {
        'sample in a worker, ms': sample_times(sets, args.images, args.rounds),
        'labels of a sample, bytes': sizes,
        'main process, ms an image': main_times(sets, preprocess, args),
        'posing': dict(now=posing_time(batch, args.device, args.rounds)),
        'differences': differences(batches),
    }


def show(found: dict[str, dict[str, float]], device: str) -> None:
    """Print the table."""
    print('| | before | now | ratio |\n|---|---:|---:|---:|')
    for name, row in found.items():
        if set(row) == set(WAYS):
            ratio = row['before'] / row['now']
            print(f'| {name} | {row["before"]:.3f} | {row["now"]:.3f} | {ratio:.2f} |')
    print(f'| posing on {device}, ms an image | | {found["posing"]["now"]:.3f} | |')
    apart = found['differences']
    print(
        f'largest difference: points {1e6 * apart["points"]:.2f} micrometres, masks '
        f'{apart["masks"]:.0f}, crops {apart["crops"]:.0f} grey values'
    )


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Measure, print a table, and return what it holds."""
    args = parse_args(argv)
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        root = args.data_root or render(Path(folder), args.images)
        found = measure(root, args)
    show(found, args.device)
    return found


if __name__ == '__main__':
    main()
