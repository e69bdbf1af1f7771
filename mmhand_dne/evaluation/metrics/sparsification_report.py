"""The scores, curves and files that SparsificationMetric makes of its pairs."""

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from mmhand_dne.conventions import OPENPOSE_JOINTS, WRIST
from mmhand_dne.evaluation.functional import sparsification
from mmhand_dne.fileio.atomic import whole_file, write_whole
from mmhand_dne.gaussian import calibration
from mmhand_dne.visualization.canvas import uncertainty_plots

from ..functional.sparsification import SparsificationCurves

FINGER_JOINT_NAMES = [name for k, name in enumerate(OPENPOSE_JOINTS) if k != WRIST]
HISTOGRAM_BINS = 50  # per axis
HISTOGRAM_SHARE = 99.5  # percent of the pairs inside the histogram's axes


class SparsificationReport(NamedTuple):
    """What one evaluation says; M pooled pairs."""

    mode: str
    unit: str  # of errors and deviations
    scores: dict[str, float]  # pooled
    joints: dict[str, dict[str, float]]  # name -> scores; only joints ever seen
    curves: SparsificationCurves
    reliability: dict[str, np.ndarray]  # 'joints', 'hands' -> share at LEVELS
    error: np.ndarray  # (M)
    deviation: np.ndarray  # (M) predicted standard deviation


def standard_report(data: dict[str, np.ndarray]) -> SparsificationReport:
    """Root-aligned scores in mm.

    Args:
        data: over N hands: error (N, 20) mm and variance (N, 20) mm^2, NaN where
            hidden; joint_nll (N, 20), joint_level (N, 20), nll (N), coordinates (N),
            level (N) as in ``HandCalibration``.

    Raises:
        ValueError: no joint has ground truth.
    """
    data = {name: _at_least_double(values) for name, values in data.items()}
    kept, hands = ~np.isnan(data['error']), data['coordinates'] > 0
    deviation = np.sqrt(data['variance'])
    error, level = data['error'][kept], data['level'][hands]
    scores, curves = _sparsify(error, data['variance'][kept])
    scores['NLL'] = float(data['nll'].sum() / data['coordinates'].sum())
    scores.update(calibration.coverage(data['joint_level'][kept]))
    scores.update(calibration.coverage(level, 'coverage_hand'))
    scores['sharpness'] = float(deviation[kept].mean())
    reliability = dict(
        joints=calibration.reliability(data['joint_level'][kept]),
        hands=calibration.reliability(level),
    )
    joints = _joint_scores(data, kept, deviation)
    return SparsificationReport(
        'standard', 'mm', scores, joints, curves, reliability, error, deviation[kept]
    )


def released_report(data: dict[str, np.ndarray]) -> SparsificationReport:
    """The authors' scores.

    Args:
        data: over N hands: error (N, 21) metres, unaligned, and variance (N, 21) m^2,
            NaN where hidden.

    Raises:
        ValueError: fewer than 50 joints have ground truth.
    """
    data = {name: _at_least_double(values) for name, values in data.items()}
    kept = ~np.isnan(data['error'])
    error, variance = data['error'][kept], data['variance'][kept]
    curves = sparsification.released_curves(error, variance)
    fingers = kept & (np.arange(kept.shape[1]) != WRIST)
    pairs = (data['error'][fingers], data['variance'][fingers])
    scores = {
        **sparsification.released_areas(curves),
        **sparsification.correlations(*pairs),
    }
    scale = sparsification.RELEASED_SCALE
    deviation = scale * np.sqrt(variance)
    return SparsificationReport(
        'released', 'm x 10', scores, {}, curves, {}, scale * error, deviation
    )


def write_report(report: SparsificationReport, folder: str | Path) -> None:
    """Write ``<mode>_curves.csv`` and so on; the folder is made if absent."""
    folder = Path(folder)
    _write_curves(report, folder / f'{report.mode}_curves')
    _write_histogram(report, folder / f'{report.mode}_error_uncertainty')
    if report.reliability:
        columns = [calibration.LEVELS, *report.reliability.values()]
        path = folder / f'{report.mode}_reliability'
        _write_csv(path, ['level', *report.reliability], zip(*columns))
        with _png(path) as partial:
            uncertainty_plots.plot_reliability(
                partial, calibration.LEVELS, report.reliability
            )
    if report.joints:
        names = list(next(iter(report.joints.values())))
        rows = [('all', *(report.scores[name] for name in names))]
        rows += [(joint, *found.values()) for joint, found in report.joints.items()]
        _write_csv(folder / f'{report.mode}_joints', ['joint', *names], rows)


def _joint_scores(
    data: dict[str, np.ndarray], kept: np.ndarray, deviation: np.ndarray
) -> dict[str, dict[str, float]]:
    """Scores of each joint that is ever seen; the others are named in one line."""
    found, hidden = {}, []
    for k, name in enumerate(FINGER_JOINT_NAMES):
        seen = kept[:, k]
        if not seen.any():
            hidden.append(name)
            continue
        scores, _ = _sparsify(data['error'][seen, k], data['variance'][seen, k])
        scores['NLL'] = float(data['joint_nll'][seen, k].mean() / 3)
        scores.update(calibration.coverage(data['joint_level'][seen, k]))
        scores['sharpness'] = float(deviation[seen, k].mean())
        found[name] = scores
    if hidden:
        print_log(f'No image of this split shows: {", ".join(hidden)}', 'current')
    return found


def _sparsify(
    error: np.ndarray, variance: np.ndarray
) -> tuple[dict[str, float], SparsificationCurves]:
    curves = sparsification.standard_curves(error, variance)
    scores = {
        **sparsification.standard_areas(curves),
        **sparsification.correlations(error, variance),
        'Spearman': sparsification.spearman(error, variance),
    }
    return scores, curves


def _write_curves(report: SparsificationReport, path: Path) -> None:
    curves, unit = report.curves, report.unit
    names = ['kept [%]', *(f'{name} [{unit}]' for name in curves._fields[1:])]
    _write_csv(path, names, zip(*curves))
    title = f'Sparsification ({report.mode})'
    with _png(path) as partial:
        uncertainty_plots.plot_curves(
            partial, {'model': curves}, unit, title, with_random=True
        )


def _write_histogram(report: SparsificationReport, path: Path) -> None:
    """Counts of pairs; those beyond the axes are in the outermost cells."""
    sides = (report.deviation, report.error)
    ends = [max(np.percentile(side, HISTOGRAM_SHARE), 1e-12) for side in sides]
    edges = [np.linspace(0, end, HISTOGRAM_BINS + 1) for end in ends]
    inside = [np.minimum(side, edge[-1]) for side, edge in zip(sides, edges)]
    counts, *_ = np.histogram2d(*inside, edges)
    rows = (
        (edges[0][i], edges[1][k], int(counts[i, k]))
        for i, k in np.ndindex(counts.shape)
    )
    lower = [f'{name} from [{report.unit}]' for name in ('deviation', 'error')]
    _write_csv(path, [*lower, 'joints'], rows)
    correlation = report.scores['Pearson']
    with _png(path) as partial:
        uncertainty_plots.plot_error_uncertainty(
            partial, counts, edges, report.unit, correlation
        )


def _png(path: Path) -> AbstractContextManager[Path]:
    return whole_file(path.with_suffix('.png'), keep_suffix=True)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(
        [float(v) if isinstance(v, np.floating) else v for v in row] for row in rows
    )
    write_whole(path.with_suffix('.csv'), text.getvalue())


def _at_least_double(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) if values.dtype.kind == 'f' else values
