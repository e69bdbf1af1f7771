"""Let the frozen networks see the benchmark's crops once, and keep what they say.

A crop of the training split is moved, turned and tinted a little, by its number: the
same crop in every run. What was stopped, or is over its minutes, continues the next
time; the exit status is 3 where something is left.

Example:
    python tools/reproduce/cache_features.py data/benchmark/images data/benchmark/cache
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SPLITS = ('train', 'test')
LEFT = 3  # exit status: minutes are over, and not all is done


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', type=Path, help='the rendered set')
    parser.add_argument('out', type=Path, help='folder; each split gets one in it')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=list(SPLITS))
    parser.add_argument(
        '--config', default='configs/reproduce/uncached.py', help='crops and networks'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the moved crops')
    parser.add_argument('--batch', type=int, default=32, help='crops at a time')
    parser.add_argument(
        '--minutes', type=float, default=float('inf'), help='stop after so many'
    )
    parser.add_argument('--device', default=None, help='default: cuda if there is one')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

import mmhand_dne  # noqa: F401
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.datasets.readers.feature_cache import FeatureCacheWriter
from mmhand_dne.datasets.synthetic import annotation_file
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.hashes import content_hash, tensor_hash
from mmhand_dne.fileio.progress import Progress
from mmhand_dne.randomness.pipeline import SampleKey


class Trunk:
    """The config's preprocessor and backbone, on a device, in evaluation mode."""

    def __init__(self, cfg: Config, device: str) -> None:
        self.backbone = MODELS.build(cfg.model.backbone)
        self.backbone.init_weights()
        self.backbone.to(device).eval()
        self.preprocess = MODELS.build(cfg.model.data_preprocessor).to(device)

    @torch.no_grad()
    def __call__(self, packed: list[dict]) -> tuple[torch.Tensor, ...]:
        inputs = [one['inputs'] for one in packed]
        batch = self.preprocess(dict(inputs=inputs, data_samples=[]))
        return self.backbone(batch['inputs'])


def hard_cases(images: Path, split: str) -> dict[int, list[str]]:
    """What makes an image hard, by the annotation's number.

    Raises:
        ValueError: the set was rendered without tags.
    """
    path = annotation_file(images, split, 'data')
    found = json.loads(path.read_bytes())['annotations']
    if found and 'hard' not in found[0]:
        raise UserError(
            f'{path}: does not say which images are hard; render it with '
            'tools/reproduce/benchmark.sh'
        )
    return {entry['id']: entry['hard'] for entry in found}


def split_config(cfg: Config, images: Path, split: str) -> Config:
    """The config's data set of a split, in the folder of images."""
    part = cfg[f'{split}_dataloader'].dataset
    part.dataset.data_root = str(images)
    return part


def cache_split(args: argparse.Namespace, split: str, deadline: float) -> bool:
    """Cache a split, or continue it; whether it is finished."""
    cfg = Config.fromfile(args.config)
    part = split_config(cfg, args.images, split)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    hands, trunk = DATASETS.build(part), Trunk(cfg, device)
    hard = hard_cases(args.images, split)
    first = trunk([hands[SampleKey(0, args.seed, 0)]])
    told = dict(
        images=content_hash(annotation_file(args.images, split, 'data')),
        networks=tensor_hash(trunk.backbone.state_dict().values()),
        pipeline=list(part.dataset.pipeline),
        seed=args.seed,
    )
    writer = FeatureCacheWriter(
        args.out / split,
        told,
        len(hands),
        [level.shape[1:] for level in first],
        hands.dataset.pair.template.shape[1],
    )
    with Progress(writer.count - writer.done, f'caching {split}') as bar:
        while writer.done < len(hands) and time.monotonic() < deadline:
            rows = range(writer.done, min(writer.done + args.batch, len(hands)))
            packed = [hands[SampleKey(row, args.seed, 0)] for row in rows]
            samples = [one['data_samples'] for one in packed]
            for sample in samples:
                path = Path(sample.metainfo['img_path']).relative_to(args.images)
                told = dict(img_path=str(path), hard=hard[sample.metainfo['id']])
                sample.set_metainfo(told)
            writer.append(trunk(packed), samples)
            bar.update(len(rows))
    print(f'{split}: {writer.done} of {writer.count} crops in {args.out / split}')
    return writer.done == len(hands)


def main(argv: list[str] | None = None) -> None:
    """Cache the splits, one after the other, while there is time."""
    args = parse_args(argv)
    args.images, args.out = args.images.resolve(), args.out.resolve()
    deadline = time.monotonic() + 60 * args.minutes
    init_default_scope('mmpose')
    # Or a line for each of the networks' tensors.
    MMLogger.get_instance('mmengine', log_level='WARNING')
    with plain_errors(building=True):
        finished = [cache_split(args, split, deadline) for split in args.splits]
    if not all(finished):
        sys.exit(LEFT)


if __name__ == '__main__':
    main()
