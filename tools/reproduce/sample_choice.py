"""How well density and a learned confidence choose among a stage's noisy samples.

Of the finished runs of the row ``confidence``: 16 samples of the last stage for each of
some test crops, and the mean error of the one that is taken at random, for the density
of its noise, by the learned confidence, or by the truth (oracle).

Files ``tables/sample_choice.md`` and ``.json`` below the runs' folder. Nothing is
trained.

Example:
    python tools/reproduce/sample_choice.py --seeds 0 1 2
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.run_flags import parse_run_flags

ROW = 'confidence'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--samples', type=int, default=16, help='of a hand')
    parser.add_argument('--crops', type=int, default=1200, help='the first so many')
    args = parse_run_flags(parser, argv)
    if args.samples < 2 or args.crops < 1:
        parser.error('--samples has to be at least 2, --crops at least 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from mmengine.registry import init_default_scope

from mmhand_dne.cli.plain_errors import plain_errors
from tools.analysis_tools.rank_samples import rank, summary
from tools.reproduce.predictions import Predictions, describe_runs, write_cause
from tools.reproduce.report import Values, head, line, spread
from tools.reproduce.runs import Runs

CHOICES = ('random', 'density', 'learned', 'oracle')


def describe(found: Predictions, samples: int, crops: int) -> dict[str, float]:
    """Mean error in mm by choice, and the share of the way from random to oracle."""
    torch.manual_seed(0)  # the noise
    table = summary(rank(found.model, found.batches(crops), samples))
    errors = {name: table[name]['error'] for name in CHOICES}
    return errors | {f'{name} share': table[name]['share'] for name in CHOICES}


def page(values: Values, samples: int, crops: int) -> str:
    """The table, a row for each choice."""
    lines = [
        '### Which of several samples is the best',
        '',
        f'{samples} samples of the last stage for each of {crops} test crops '
        '(`tools/reproduce/sample_choice.py`):',
        '',
        *head(['', 'MPVPE [mm]', 'share of the way from random to oracle', 'seeds']),
    ]
    for name in CHOICES:
        errors = spread([one[name] for one in values.values()], 3)
        shares = spread([one[f'{name} share'] for one in values.values()], 3)
        lines.append(line([name, errors, shares, str(len(values))]))
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> None:
    """Draw samples with each finished run, print and write the table."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        runs = Runs(args)
        crops = min(args.crops, runs.crops['test'])
        found = describe_runs(
            runs, [ROW], args.seeds, lambda one: describe(one, args.samples, crops)
        )
    write_cause(runs, 'sample_choice', page(found[ROW], args.samples, crops), found)


if __name__ == '__main__':
    main()
