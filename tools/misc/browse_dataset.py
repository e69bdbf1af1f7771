"""Draw a data set's samples as the model sees them, or over the original images.

Example::

    python tools/misc/browse_dataset.py configs/dne_rendered.py \
        --output-dir work_dirs/browse --max-item-per-dataset 20 --phase val
"""

import argparse
import os
import os.path as osp
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import ConfigOptions
from mmhand_dne.errors import UserError


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='a train config, or one of _base_/datasets')
    parser.add_argument('--output-dir', help='folder for the pictures')
    parser.add_argument(
        '--not-show',
        action='store_true',
        help='open no window; without a display that is so anyway',
    )
    parser.add_argument(
        '--max-item-per-dataset',
        type=int,
        default=50,
        help='samples drawn from each data set, the first ones',
    )
    parser.add_argument('--phase', choices=['train', 'val', 'test'], default='train')
    parser.add_argument(
        '--mode',
        choices=['transformed', 'original'],
        default='transformed',
        help='draw over the crop that the model gets, or over the image on disk',
    )
    parser.add_argument(
        '--show-interval', type=float, default=2, help='seconds a window stays'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the augmentation')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        help='changes to the config, key=value',
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.registry import init_default_scope
from mmengine.utils import ProgressBar, mkdir_or_exist
from mmpose.registry import DATASETS
from torch import Tensor

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.visualization import HandMeshVisualizer, draw_ground_truth


def has_display() -> bool:
    """Whether a window could be opened."""
    if sys.platform.startswith('linux'):
        return bool(os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))
    return True


def sub_datasets(dataset: BaseDataset | ConcatDataset) -> list[BaseDataset]:
    """The data sets that a combined one is made of, or itself."""
    return list(getattr(dataset, 'datasets', [dataset]))


def picture_of(item: dict, faces: Tensor, mode: str) -> np.ndarray:
    """Draw one item of a data set: (h, w, 3) uint8 RGB."""
    sample = item['data_samples']
    if mode == 'original':
        image = mmcv.imread(sample.img_path, channel_order='rgb')
    else:  # as LoadImage read it: BGR
        image = item['inputs'].numpy()[::-1].transpose(1, 2, 0)
        if image.dtype != np.uint8:  # HaMeR's crop changes the tones
            image = image.round().clip(0, 255).astype(np.uint8)
    return draw_ground_truth(
        np.ascontiguousarray(image), sample, faces, mode == 'original'
    )


def browse(cfg: Config, args: argparse.Namespace, show: bool) -> None:
    """Build the phase's data sets and draw their first samples."""
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    np.random.seed(args.seed)
    hand_model = cfg.model.hand_model if 'model' in cfg else cfg.hand_model
    visualizer = HandMeshVisualizer(hand_model=hand_model)
    parts = sub_datasets(DATASETS.build(cfg[f'{args.phase}_dataloader'].dataset))
    counts = [min(len(part), args.max_item_per_dataset) for part in parts]
    progress = ProgressBar(sum(counts))
    if args.output_dir is not None:
        mkdir_or_exist(args.output_dir)
    for number, (part, count) in enumerate(zip(parts, counts)):
        for index in range(count):
            item = part[index]
            picture = picture_of(item, visualizer.faces, args.mode)
            stem = osp.splitext(osp.basename(item['data_samples'].img_path))[0]
            name = f'{number}_{index:06d}_{stem}.png'
            if args.output_dir is not None:
                mmcv.imwrite(picture[..., ::-1], osp.join(args.output_dir, name))
            if show:
                visualizer.show(picture, name, wait_time=args.show_interval)
            progress.update()
    print()


def main() -> None:
    """Read the command line and the config, then draw."""
    args = parse_args()
    show = has_display() and not args.not_show
    with plain_errors(building=True):
        if not show and args.output_dir is None:
            raise UserError(
                'there is no display, or --not-show was given, and no --output-dir: '
                'the pictures would go nowhere; give --output-dir FOLDER'
            )
        cfg = read_config(args.config, args.cfg_options)
    with plain_errors():
        browse(cfg, args, show)


if __name__ == '__main__':
    main()
