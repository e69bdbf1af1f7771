"""Flags that say which runs are meant; nothing slow is imported for them."""

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def parse_run_flags(
    parser: argparse.ArgumentParser, argv: list[str] | None
) -> argparse.Namespace:
    """A tool's own flags, and those that say which runs are meant."""
    parser.add_argument(
        '--cache', type=Path, default=ROOT / 'data/benchmark/cache', help='of features'
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'work_dirs/reproduce', help='runs, tables'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--baseline-epochs', type=int, default=12, help='a multiple of 4'
    )
    parser.add_argument('--stage-epochs', type=int, default=1)
    parser.add_argument(
        '--stage-crops', type=int, default=9600, help='that stages see in an epoch'
    )
    parser.add_argument('--bars-epochs', type=int, default=3, help='of covariances')
    parser.add_argument('--threads', type=int, default=1, help='of each run')
    args = parser.parse_args(argv)
    if args.baseline_epochs < 4 or args.baseline_epochs % 4:
        parser.error(
            f'--baseline-epochs is {args.baseline_epochs}, expected a multiple of 4: '
            'its last quarter tells whether the baseline has converged'
        )
    if args.stage_crops < 1:
        parser.error(f'--stage-crops is {args.stage_crops}, expected at least 1')
    return args
