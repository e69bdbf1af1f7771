"""How much of the vertices' error lies along the line of sight, of finished runs.

A single picture says little about depth. A table of the rows with stages, by seed
against the baseline: the mean error of a vertex from the wrist, its part across the
line of sight (x and y of the camera's axes) and along it (z), in mm, and the share of
the squared error that is along it.

Files ``tables/line_of_sight.md`` and ``.json`` below the runs' folder. Nothing is
trained.

Example:
    python tools/reproduce/line_of_sight.py --seeds 0 1 2
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.run_flags import parse_run_flags

ROWS_SHOWN = ('baseline', 'eps2d', 'eps3d', 'm1', 'full', 'long')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rows', nargs='+', default=list(ROWS_SHOWN))
    return parse_run_flags(parser, argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
from mmengine.registry import init_default_scope

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.conventions import MILLIMETRES, WRIST
from mmhand_dne.errors import UserError
from tools.reproduce.predictions import (
    Predictions,
    annotated_slot,
    describe_runs,
    field,
    write_cause,
)
from tools.reproduce.report import markdown
from tools.reproduce.rows import ROWS, Table
from tools.reproduce.runs import Runs

METRICS = {
    'all': 'MPVPE-All [mm]',
    'across': 'across the line of sight [mm]',
    'along': 'along it [mm]',
    'share': 'share of squares along it',
}


def gaps(found: Predictions) -> np.ndarray:
    """(N, V, 3) mm, predicted less true vertices, each from its own wrist."""
    result = []
    for sample in found:
        slot = annotated_slot(sample)
        gt, pred = (
            field(part, 'hand_vertices', slot) - field(part, 'hand_joints', slot)[WRIST]
            for part in (sample.gt_instance_labels, sample.pred_instances)
        )
        result.append(MILLIMETRES * (pred - gt))
    return np.stack(result)


def describe(gap: np.ndarray) -> dict[str, float]:
    """Numbers of METRICS."""
    squares = np.square(gap)
    return dict(
        all=float(np.sqrt(squares.sum(-1)).mean()),
        across=float(np.sqrt(squares[..., :2].sum(-1)).mean()),
        along=float(np.abs(gap[..., 2]).mean()),
        share=float(squares[..., 2].sum() / squares.sum()),
    )


def main(argv: list[str] | None = None) -> None:
    """Predict with each finished run, print and write the table."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        unknown = [row for row in args.rows if row not in ROWS]
        if unknown:
            raise UserError(f'--rows {unknown[0]}: unknown; choose from {list(ROWS)}')
        runs = Runs(args)
        found = describe_runs(
            runs, args.rows, args.seeds, lambda one: describe(gaps(one))
        )
        if args.rows[0] not in found:
            raise UserError(
                f'{runs.out}: the row {args.rows[0]!r} is not finished; run '
                'tools/reproduce/table.py first'
            )
    title = 'Where the error lies (`tools/reproduce/line_of_sight.py`)'
    text = markdown(Table(title, tuple(found), METRICS), found, {})
    write_cause(runs, 'line_of_sight', text, found)


if __name__ == '__main__':
    main()
