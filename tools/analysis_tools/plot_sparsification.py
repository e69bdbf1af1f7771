"""Overlay the sparsification curves of several runs in one picture.

Example:
    python tools/analysis_tools/plot_sparsification.py --out sparsification.png \
        diagonal=work_dirs/diagonal/20250101_000000/sparsification \
        correlated=work_dirs/correlated/20250101_000000/sparsification

A run is a folder that SparsificationMetric wrote, or one of its ..._curves.csv files.
"""

import argparse
import csv
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError

MODES = ('standard', 'released')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='[NAME=]PATH',
        help='folder or csv of a run; the name goes to the legend',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('sparsification.png'),
        help='picture to write, .png',
    )
    parser.add_argument(
        '--mode', choices=MODES, default='standard', help='which curves of a folder'
    )
    parser.add_argument('--title', help='above the curves; default names the mode')
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.evaluation.functional.sparsification import SparsificationCurves
from mmhand_dne.fileio.atomic import whole_file
from mmhand_dne.visualization.canvas.uncertainty_plots import COLORS, plot_curves

HEADER = re.compile(
    r'kept \[%\],model \[(?P<unit>.+)\],oracle \[(?P=unit)\],random \[(?P=unit)\]'
)


def read_curves(path: Path, mode: str) -> tuple[SparsificationCurves, str]:
    """Curves of one run and the unit of their errors.

    Raises:
        ValueError: the file is missing or was not written by SparsificationMetric.
    """
    if path.is_dir():
        path = path / f'{mode}_curves.csv'
    try:
        with open(path, newline='') as file:
            header, *rows = csv.reader(file)
        found = HEADER.fullmatch(','.join(header))
        curves = SparsificationCurves(*np.array(rows, float).T)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f'{path}: cannot be read as curves: {error}; evaluate the run with '
            f"SparsificationMetric(mode='{mode}')"
        ) from error
    if found is None:
        raise UserError(
            f'{path}: holds the columns {header}, not those of curves; pass a '
            '..._curves.csv that SparsificationMetric wrote'
        )
    return curves, found['unit']


def read_runs(arguments: list[str], mode: str) -> tuple[dict, str]:
    """Name in the legend -> curves, and their common unit."""
    if len(arguments) > len(COLORS):
        raise UserError(
            f'{len(arguments)} runs are given, expected at most {len(COLORS)}, which '
            'a reader can tell apart; draw two pictures'
        )
    runs, units = {}, {}
    for argument in arguments:
        name, _, path = argument.rpartition('=')
        name = name or Path(path).name.removesuffix('.csv')
        if name in runs:
            raise UserError(f'two runs are called {name!r}; write NAME=PATH for each')
        runs[name], units[name] = read_curves(Path(path), mode)
    if len(set(units.values())) > 1:
        raise UserError(
            f'the runs have errors in different units, {units}; draw those of one mode'
        )
    return runs, next(iter(units.values()))


def main(args=None):
    args = parse_args(args)
    with plain_errors(building=True):
        if args.out.suffix != '.png':
            raise UserError(
                f'--out {args.out}: unknown kind of file; let the name end in .png'
            )
        runs, unit = read_runs(args.runs, args.mode)
        title = args.title or f'Sparsification ({args.mode})'
        with whole_file(args.out, keep_suffix=True) as partial:
            plot_curves(partial, runs, unit, title)
        print(f'{len(runs)} runs in {args.out}')


if __name__ == '__main__':
    main()
