"""Operations and parameters of a config's model for one crop.

    python tools/analysis_tools/get_flops.py CONFIG [--size 256]
    python tools/analysis_tools/get_flops.py CONFIG --size 192x256

Counted while the model runs, by torch: multiplications and additions of convolutions,
matrix products and attention, two for each pair. Pooling, sampling and other
elementwise work is not counted.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import add_config_options
from mmhand_dne.errors import UserError


def sides(text: str) -> tuple[int, int]:
    """(W, H) of '256' or '192x256'."""
    parts = [int(part) if part.isdigit() else 0 for part in text.split('x')]
    if len(parts) > 2 or min(parts) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is neither 256 nor 192x256')
    return parts[0], parts[-1]


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file, or name of one of ours')
    parser.add_argument(
        '--size',
        type=sides,
        metavar='S|WxH',
        help="side of the crop, or width and height as 192x256 (default: the test's)",
    )
    add_config_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

from mmhand_dne.apis.config_names import config_of, test_pipeline
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.datasets.transforms.mesh_geometry import crop_size


def size_of_test(cfg: Config) -> tuple[int, int]:
    """(W, H) of the test crops in pixels, from the pipeline."""
    sizes = [step['input_size'] for step in test_pipeline(cfg) if 'input_size' in step]
    if not sizes:
        raise UserError('the test pipeline names no input_size; give --size')
    return crop_size(sizes[-1], 'the test pipeline')


def count(cfg: Config, size: tuple[int, int]) -> tuple[dict[str, int], int, int]:
    """Operations by part of the model and in all, and the number of parameters.

    Args:
        size: (W, H) of the crop, pixels.
    """
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *size[::-1]), None, mode='tensor')
    found = counter.get_flop_counts()
    names = [
        (name, f'{type(model).__name__}.{name}') for name, _ in model.named_children()
    ]
    parts = {name: sum(found[key].values()) for name, key in names if key in found}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return parts, counter.get_total_flops(), parameters


def main() -> None:
    """Count for the config of the command line."""
    args = parse_args()
    with plain_errors(building=True):
        cfg = config_of(args.config, args.cfg_options)
        size = args.size or size_of_test(cfg)
        parts, total, parameters = count(cfg, size)
    for name, operations in sorted(parts.items()):
        print(f'{name:<28}{operations / 1e9:10.3f} GFLOP')
    side = str(size[0]) if size[0] == size[1] else '{} x {}'.format(*size)
    name = f'all, one crop of {side}'
    print(f'{name:<28}{total / 1e9:10.3f} GFLOP')
    print(f'{"parameters":<28}{parameters / 1e6:10.3f} M')


if __name__ == '__main__':
    main()
