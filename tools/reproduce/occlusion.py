"""What correlated error bars are worth where something hides the hand.

Two parts of the test crops: those of images with something before the hand, which the
benchmark has tagged, and those with nothing that makes them hard. Of each row with
error bars their likelihood, ranking and calibration on both, by SparsificationMetric,
and how correlated the errors really are: the mean absolute correlation, over the crops,
of errors of coordinates of different joints.

Files ``tables/occlusion.md`` and ``.json`` below the runs' folder. Nothing is trained.

Example:
    python tools/reproduce/occlusion.py --seeds 0 1 2
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.run_flags import parse_run_flags


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parse_run_flags(parser, argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.structures import PoseDataSample

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.conventions import FINGER_JOINTS
from mmhand_dne.datasets.datasets.cached_hand_dataset import HARD
from mmhand_dne.errors import UserError
from mmhand_dne.evaluation.metrics import SparsificationMetric
from tools.reproduce.predictions import (
    Predictions,
    annotated_slot,
    between_joints,
    describe_runs,
    joint_gap,
    write_cause,
)
from tools.reproduce.report import markdown
from tools.reproduce.rows import TABLES, Table
from tools.reproduce.runs import Runs

OCCLUDED, CLEAR = 'occluded', 'clear'
SHOWN = TABLES['covariances'].rows[1:]  # the first has no error bars
SCORES = {
    'NLL': 'NLL [nats/coord.]',
    'Spearman': 'Spearman',
    'AUSE': 'AUSE [mm]',
    'coverage_50': 'joints in 50 %',
    'coverage_90': 'joints in 90 %',
}
CORRELATION = 'correlation'
METRICS = {
    f'{part}/{name}': f'{part}: {title}'
    for part in (OCCLUDED, CLEAR)
    for name, title in {**SCORES, CORRELATION: 'correlation of errors'}.items()
}


def part_of(sample: PoseDataSample) -> str | None:
    """Whether a crop is occluded, has nothing that makes it hard, or neither."""
    tags = list(sample.metainfo[HARD])
    if OCCLUDED in tags:
        return OCCLUDED
    return None if tags else CLEAR


def residual(sample: PoseDataSample) -> np.ndarray:
    """(60) metres, true less predicted joints from the wrist; the wrist is left out."""
    return joint_gap(sample, annotated_slot(sample))[FINGER_JOINTS].ravel()


def correlation_across(residuals: np.ndarray) -> float:
    """Mean |correlation| over the rows of (N, 3 J) of coordinates of two joints."""
    return between_joints(np.abs(np.corrcoef(residuals, rowvar=False)))


def describe(found: Predictions) -> dict[str, float]:
    """Numbers of METRICS."""
    metrics = {part: SparsificationMetric() for part in (OCCLUDED, CLEAR)}
    residuals: dict[str, list[np.ndarray]] = {part: [] for part in metrics}
    for sample in found:
        part = part_of(sample)
        if part is not None:
            metrics[part].process(None, [sample.to_dict()])
            residuals[part].append(residual(sample))
    numbers = {}
    for part, metric in metrics.items():
        if len(metric.results) < 2:
            raise UserError(
                f'{found.name}: fewer than two test crops are {part}; make a larger '
                'benchmark'
            )
        scores = metric.compute_metrics(metric.results)
        numbers |= {f'{part}/{name}': float(scores[name]) for name in SCORES}
        correlation = correlation_across(np.stack(residuals[part]))
        numbers[f'{part}/{CORRELATION}'] = correlation
    return numbers


def main(argv: list[str] | None = None) -> None:
    """Predict with each finished run, print and write the table."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        runs = Runs(args)
        found = describe_runs(runs, SHOWN, args.seeds, describe)
    title = 'Where something hides the hand (`tools/reproduce/occlusion.py`)'
    bases = tuple(row for row in TABLES['covariances'].bases if row in found)
    table = Table(title, tuple(found), METRICS, 3, bases=bases)
    write_cause(runs, 'occlusion', markdown(table, found, {}), found)


if __name__ == '__main__':
    main()
