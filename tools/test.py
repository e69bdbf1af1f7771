"""Test a model: python tools/test.py CONFIG CHECKPOINT [flags], those of MMPose."""

import argparse
import os.path as osp
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmhand_dne.cli.arguments import add_common_arguments
from mmhand_dne.errors import UserError

METRIC_FILES = ('.json', '.yaml', '.yml', '.pkl')


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description='Test a model')
    parser.add_argument('config', help='config file, or the name of one of ours')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--work-dir', help='folder of the log; default work_dirs/NAME_OF_CONFIG'
    )
    parser.add_argument(
        '--out', help='write the metrics to this file, ' + ', '.join(METRIC_FILES)
    )
    parser.add_argument(
        '--dump',
        help='write the predictions to this file: .npz for '
        "score_predictions.py and numpy; .pkl, .pickle as MMPose's",
    )
    add_common_arguments(
        parser, pictures='the predictions', example='model.test_cfg.flip_test=True'
    )
    parser.add_argument(
        '--compare',
        metavar='OTHER.npz',
        help="draw the meshes of another model's --dump beside this model's; with "
        '--show-dir or --show',
    )
    parser.add_argument(
        '--badcase',
        action='store_true',
        help="list the worst images with MMPose's hook",
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import mmengine
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmhand_dne.apis.config_names import find_config
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.cli.run_flags import (
    apply_common_flags,
    enable_hook,
)
from mmhand_dne.engine.runner.checkpoint_files import check_checkpoint
from mmhand_dne.engine.runner.distributed import init_distributed, leave_distributed
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.fileio.portable import keep_memory
from mmhand_dne.visualization.panel.dumped_meshes import DumpedMeshes

PICKLES = ('.pkl', '.pickle')  # MMEngine's own dump; no tool here reads it
DUMP_FILES = ('.npz', *PICKLES)


class SaveMetricsHook(Hook):
    """Writes the metrics of a test to a file, from the main process."""

    priority = 'LOWEST'

    def __init__(self, path: str) -> None:
        self.path = path

    def after_test_epoch(self, runner: Runner, metrics=None) -> None:
        if metrics is not None and is_main_process():
            mmengine.mkdir_or_exist(osp.dirname(osp.abspath(self.path)))
            mmengine.dump(metrics, self.path)


def check_endings(args: argparse.Namespace) -> None:
    """Refuse a file name whose format is unknown, before the test rather than after."""
    for flag, path, endings in (
        ('--out', args.out, METRIC_FILES),
        ('--dump', args.dump, DUMP_FILES),
    ):
        if path is not None and not path.endswith(endings):
            raise UserError(
                f'{flag} {path}: unknown kind of file; let the name end '
                f'in {" or ".join(endings)}'
            )


def enable_badcase(cfg: Config, args: argparse.Namespace) -> None:
    """Switch on the config's ``BadCaseAnalysisHook``."""
    add = "dict(type='BadCaseAnalysisHook', metric_type='accuracy')"
    enable_hook(cfg, args, 'badcase', '--badcase needs', add)
    hook = cfg.default_hooks.badcase
    if hook.get('metric_type') == 'accuracy' and not hook.get('metric'):
        hook.metric = cfg.test_evaluator


def compare_with(cfg: Config, args: argparse.Namespace) -> None:
    """Let the pictures show another model's meshes too."""
    if not args.show and args.show_dir is None:
        raise UserError('--compare draws pictures; add --show-dir FOLDER or --show')
    DumpedMeshes(args.compare)  # a file that is none is told before the test
    cfg.default_hooks.visualization.compare = args.compare


def dump_predictions(cfg: Config, path: str) -> None:
    """Add the metric that only stores the predictions, MMEngine's for a pickle."""
    evaluator = cfg.test_evaluator
    dump = dict(type='DumpPredictions', out_file=path)
    if path.endswith(PICKLES):
        dump = dict(type='DumpResults', out_file_path=path)
    if isinstance(evaluator, dict) and evaluator.type == 'HandSetsEvaluator':
        evaluator.metrics = [*evaluator.metrics, dump]
        evaluator.datasets = [*evaluator.datasets, None]  # of all sets
        return
    evaluator = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    cfg.test_evaluator = [*evaluator, dump]


def build_runner(args: argparse.Namespace) -> Runner:
    """Read the config, apply the flags, join the other processes, build."""
    check_endings(args)
    args.config = find_config(args.config)
    cfg = read_config(args.config, args.cfg_options)
    apply_common_flags(cfg, args)
    if args.compare is not None:
        compare_with(cfg, args)
    check_checkpoint(args.checkpoint)
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.badcase:
        enable_badcase(cfg, args)
    if args.dump is not None:
        dump_predictions(cfg, args.dump)
    init_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    if args.out is not None:
        runner.register_hook(SaveMetricsHook(args.out))
    return runner


def main() -> None:
    """Test the model of the command line."""
    args = parse_args()
    keep_memory()
    with plain_errors(building=True):
        runner = build_runner(args)
    with plain_errors():
        runner.test()
    del runner
    leave_distributed()


if __name__ == '__main__':
    main()
