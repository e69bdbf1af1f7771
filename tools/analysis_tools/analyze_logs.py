"""Curves and speed of trainings, from the scalars that they logged.

    python tools/analysis_tools/analyze_logs.py work_dirs/a work_dirs/b \
        --keys loss MPVPE_All --out curves.png

A run is its work folder (the newest log in it) or one scalars.json. A resumed run has a
log for each start; give those.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', help='work folders or scalars.json files')
    parser.add_argument('--keys', nargs='+', default=['loss'], help='scalars to show')
    parser.add_argument('--out', type=Path, help='draw the curves to this .png')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.fileio.atomic import whole_file


def read_log(path: Path) -> list[dict]:
    """Rows of a log, each with ``step`` and scalars.

    Raises:
        ValueError: there is no log, or it is not one.
    """
    if path.is_dir():
        logs = sorted(path.rglob('scalars.json'), key=lambda log: log.stat().st_mtime)
        if not logs:
            raise UserError(
                f'{path}: has no scalars.json; give the folder of a training'
            )
        path = logs[-1]
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line]
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: cannot be read as a log: {error}') from error
    return rows


def curve(rows: list[dict], key: str, run: str) -> np.ndarray:
    """(N, 2) step and value of a scalar.

    Raises:
        ValueError: the run has not logged it.
    """
    points = [(row['step'], row[key]) for row in rows if key in row and 'step' in row]
    if not points:
        known = sorted({name for row in rows for name in row})
        raise UserError(f'{run}: has not logged {key!r}; choose from {known}')
    return np.array(points, float)


def draw(curves: dict[str, dict[str, np.ndarray]], out: Path) -> None:
    """One panel a key, one line a run, as PNG."""
    figure = Figure(figsize=(6, 3 * len(curves)), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(curves), squeeze=False)[:, 0]
    for panel, (key, runs) in zip(panels, curves.items()):
        for run, points in runs.items():
            panel.plot(*points.T, label=run)
        panel.set(xlabel='step', ylabel=key)
        panel.legend()
    with whole_file(out, keep_suffix=True) as partial:
        figure.savefig(partial)


def main() -> None:
    """Print the last and the lowest values, and draw on request."""
    args = parse_args()
    with plain_errors():
        if args.out is not None and args.out.suffix != '.png':
            raise UserError(f'--out {args.out}: let the name end in .png')
        logs = {run: read_log(Path(run)) for run in args.runs}
        curves = {
            key: {run: curve(rows, key, run) for run, rows in logs.items()}
            for key in args.keys
        }
        for key, runs in curves.items():
            for run, points in runs.items():
                low = points[points[:, 1].argmin()]
                print(
                    f'{key} of {run}: last {points[-1, 1]:.6g} at step '
                    f'{points[-1, 0]:.0f}, lowest {low[1]:.6g} at step {low[0]:.0f}'
                )
        for run, rows in logs.items():
            times = [row['time'] for row in rows if 'lr' in row and 'time' in row]
            if times:
                print(f'seconds an iteration of {run}: {np.mean(times):.4f}')
        if args.out is not None:
            draw(curves, args.out)


if __name__ == '__main__':
    main()
