"""What is trained for the papers' tables, and which numbers a table shows."""

from typing import NamedTuple


class Row(NamedTuple):
    """One model of a table; it is trained once a seed, whatever tables show it.

    Attributes:
        title: as the table calls it.
        config: file in ``configs/reproduce``.
        start: row whose checkpoint it begins with; '' for nothing.
        length: which number of epochs is its own, 'baseline', 'stage', 'bars';
            'long': those of 'stage', of all crops.
        pace: seconds of one core a training step, to begin an estimate with.
    """

    title: str
    config: str
    start: str = 'baseline'
    length: str = 'stage'
    pace: float = 0.45


class Table(NamedTuple):
    """A table: rows, metrics, and with which rows the others are compared.

    Attributes:
        title: with the paper's place.
        rows: names in ROWS.
        metrics: names of ``test.py``'s metrics, and how they are shown.
        digits: after the point.
        costs: show parameters and the time of a step.
        bases: rows that the others are compared with; the first row if none is named.
        judged: row of which it says whether training had ended to improve it.
    """

    title: str
    rows: tuple[str, ...]
    metrics: dict[str, str]
    digits: int = 2
    costs: bool = False
    bases: tuple[str, ...] = ()
    judged: str = ''


ROWS = {
    'baseline': Row('baseline', 'baseline', '', 'baseline', 0.12),
    'control': Row('baseline, trained on', 'baseline', 'baseline', 'baseline', 0.12),
    'settled': Row('baseline, until flat', 'settled', 'control', 'baseline', 0.12),
    'eps2d': Row('+ 2D noise', 'eps2d', pace=0.3),
    'eps3d': Row('+ 3D noise', 'eps3d', pace=0.3),
    'full': Row('full DNE (M = 3)', 'full'),
    'long': Row('full DNE, trained longer', 'full', length='long'),
    'm1': Row('full DNE, M = 1', 'm1', pace=0.25),
    'short': Row('baseline, as short as the stages', 'short', '', pace=0.1),
    'joint': Row('full DNE from nothing, as short', 'joint', ''),
    'together': Row('full DNE, its regressor trained on', 'together'),
    'no_camera': Row('without camera correction', 'no_camera'),
    'features_only': Row('phi, varphi on features alone', 'features_only', pace=0.4),
    'as_paper': Row('as the paper has it', 'as_paper', pace=0.4),
    'graph': Row('Chebyshev graph attention', 'graph', pace=2.0),
    'graphlight': Row('light graph attention', 'graphlight', pace=1.0),
    'samples': Row('M = 2, R = 4, density', 'samples', pace=1.1),
    'confidence': Row('M = 2, R = 4, learned', 'confidence', pace=1.2),
    'deterministic': Row('deterministic', 'deterministic', length='bars', pace=0.12),
    'diagonal': Row('diagonal', 'diagonal', length='bars', pace=0.13),
    'full_covariance': Row('full', 'full_covariance', length='bars', pace=0.15),
    'correlated': Row('correlated (ours)', 'correlated', length='bars', pace=0.14),
    'apart': Row('correlated, variances apart', 'apart', length='bars', pace=0.15),
    'margins': Row('apart, by margins', 'margins', length='bars', pace=0.15),
    'diagonal_in_hand': Row(
        "diagonal, hand's axes", 'diagonal_in_hand', length='bars', pace=0.13
    ),
    'in_hand': Row("correlated, hand's axes", 'in_hand', length='bars', pace=0.14),
    'margins_in_hand': Row(
        "by margins, hand's axes", 'margins_in_hand', length='bars', pace=0.15
    ),
    'nolinear': Row('ours without linear layer', 'nolinear', length='bars', pace=0.13),
}
ROWS |= {
    f'{row}_settled': ROWS[row]._replace(start='settled')
    for row in ('eps2d', 'eps3d', 'm1', 'full')
}


def by_group(name: str, unit: str) -> dict[str, str]:
    """A metric of single, interacting and all hands."""
    return {f'{name}_{group}': f'{name}-{group} [{unit}]' for group in GROUPS}


def of_part(metrics: dict[str, str], part: str) -> dict[str, str]:
    """The same metrics, of a part of the test set."""
    return {f'{part}/{name}': f'{part}: {title}' for name, title in metrics.items()}


GROUPS = ('SH', 'IH', 'All')
PIXELS = {'MPVPE2D_All': 'MPVPE2D-All [px]'}
BOTH = {'MPVPE_All': 'MPVPE-All [mm]', **PIXELS}
BARS = {
    'MPJPE_All': 'MPJPE [mm]',
    'NLL': 'NLL [nats/coord.]',
    'AUSC': 'AUSC [mm]',
    'AUSE': 'AUSE [mm]',
    'Pearson': 'Pearson',
    'Spearman': 'Spearman',
    'coverage_50': 'joints in 50 %',
    'coverage_90': 'joints in 90 %',
    'coverage_95': 'joints in 95 %',
}
COVARIANCES = (
    'deterministic',
    'diagonal',
    'full_covariance',
    'correlated',
    'nolinear',
    'apart',
    'margins',
    'diagonal_in_hand',
    'in_hand',
    'margins_in_hand',
)
TABLES = {
    'table2': Table(
        'DNE Table 2: 3D noise',
        ('baseline', 'eps3d', 'full'),
        by_group('MPVPE', 'mm'),
    ),
    'table3': Table(
        'DNE Table 3: 2D noise',
        ('baseline', 'eps2d', 'eps3d', 'full'),
        by_group('MPVPE2D', 'px'),
    ),
    'table4': Table(
        'DNE Table 4: number of stages',
        ('baseline', 'm1', 'full'),
        by_group('MPVPE', 'mm')
        | by_group('MPJPE', 'mm')
        | by_group('MPVPE2D', 'px'),
    ),
    'figure5': Table(
        'DNE Figure 5: camera correction', ('no_camera', 'full'), BOTH
    ),
    'control': Table(
        'Whether the baseline has converged',
        ('baseline', 'control', 'eps2d', 'eps3d', 'm1', 'full'),
        BOTH,
        bases=('baseline', 'control'),
        judged='baseline',
    ),
    'settled': Table(
        'DNE Tables 2 to 4 on a baseline that is flat in the picture too',
        ('settled', 'eps2d_settled', 'eps3d_settled', 'm1_settled', 'full_settled'),
        by_group('MPVPE', 'mm') | by_group('MPVPE2D', 'px'),
        judged='settled',
    ),
    'budget': Table(
        'How long the stages train', ('baseline', 'full', 'long'), BOTH
    ),
    'joint': Table(
        'Stages from nothing, or on a regressor that has converged',
        ('short', 'joint', 'baseline', 'full', 'together'),
        BOTH,
    ),
    'estimators': Table(
        'DNE Table 1: perceptron and graphs', ('full', 'graphlight', 'graph'), BOTH,
        costs=True,
    ),
    'inputs': Table(
        'Our departures: coordinates for phi and varphi, points taught directly',
        ('full', 'features_only', 'as_paper'),
        BOTH,
    ),
    'confidence': Table(
        'Which sample goes on', ('samples', 'confidence'), BOTH, costs=True
    ),
    'covariances': Table(
        'The poster: five covariances, and ours',
        COVARIANCES,
        BARS | of_part({k: v for k, v in BARS.items() if k != 'coverage_50'}, 'hard'),
        3,
        costs=True,
        bases=('diagonal', 'full_covariance'),
    ),
}  # fmt: skip


def rows_of(tables: list[str]) -> list[str]:
    """The rows that tables need, each after the one that it starts with."""
    wanted: list[str] = []
    for name in (row for table in tables for row in TABLES[table].rows):
        line = [name]
        while start := ROWS[line[-1]].start:
            line.append(start)
        wanted += [row for row in line[::-1] if row not in wanted]
    return wanted
