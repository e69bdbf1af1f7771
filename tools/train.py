"""Train a model: python tools/train.py CONFIG [flags], the flags of MMPose."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmhand_dne.cli.arguments import add_common_arguments


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file, or the name of one of ours')
    parser.add_argument(
        '--work-dir',
        help='folder of logs and checkpoints; default work_dirs/NAME_OF_CONFIG',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or without a value from '
        'the last one in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on CUDA, bfloat16 without',
    )
    parser.add_argument(
        '--channels-last',
        action='store_true',
        help='lay convolutions out with channels last: the same to rounding',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile backbone, neck and regressing heads by torch.compile: the same '
        'to rounding, the first steps take minutes',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='do not evaluate while training'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the real batch size',
    )
    add_common_arguments(
        parser,
        pictures='the validation',
        example='model.backbone.depth=18 key="[(a,b),(c,d)]"',
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmengine.runner import Runner

from mmhand_dne.apis.config_names import find_config
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.cli.run_flags import (
    apply_amp,
    apply_auto_scale_lr,
    apply_common_flags,
    apply_speed,
    check_precision,
    choose_start,
)
from mmhand_dne.engine.runner.distributed import init_distributed, leave_distributed
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.fileio.portable import keep_memory


def build_runner(args: argparse.Namespace) -> Runner:
    """Read the config, apply the flags, join the other processes, build."""
    args.config = find_config(args.config)
    cfg = read_config(args.config, args.cfg_options)
    apply_common_flags(cfg, args)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        apply_amp(cfg)
    apply_speed(cfg, args.channels_last, args.compile)
    check_precision(cfg)
    if args.auto_scale_lr or (cfg.get('auto_scale_lr') or {}).get('enable'):
        apply_auto_scale_lr(cfg)
    init_distributed(cfg)
    choose_start(cfg, args.resume)
    return Runner.from_cfg(cfg)


def main() -> None:
    """Train the model of the command line."""
    args = parse_args()
    keep_memory()
    with plain_errors(building=True):
        runner = build_runner(args)
    with plain_errors():
        runner.train()
    del runner
    leave_distributed()


if __name__ == '__main__':
    main()
