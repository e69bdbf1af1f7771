"""Tables of finished runs: means, half ranges, differences of a seed, as Markdown."""

import json
import math
from collections.abc import Iterable

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from tools.reproduce.rows import ROWS, TABLES, Table
from tools.reproduce.run_records import WATCHED, log_of
from tools.reproduce.runs import RECORD, Runs

FLAT = 0.01  # a converged baseline's change over the last quarter, at most
Values = dict[int, dict[str, float]]  # metrics by seed
COST_FILE = 'step_cost.json'
COSTS = {
    'parameters': 'parameters added',
    'relative': 'time of a step',
    'milliseconds': 'ms a crop',
}


def write_tables(runs: Runs, names: list[str], seeds: list[int]) -> dict[str, str]:
    """Write ``tables/<name>.md`` and ``.json`` below the runs' folder.

    Returns: the Markdown by name, of the tables that have a finished row.
    """
    texts = {}
    for name in names:
        table = TABLES[name]
        found = {
            row: {s: runs.metrics(row, s) for s in seeds if runs.is_finished(row, s)}
            for row in table.rows
        }
        if not any(found.values()):
            continue
        text = markdown(table, found, costs_of(runs, table))
        if row := table.judged:
            flat = {s: last_quarter(runs, row, s) for s in found[row]}
            text += f'\n\n{flatness(ROWS[row].title, flat)}'
        content = dict(
            title=table.title,
            values=found,
            runs={row: records(runs, row, values) for row, values in found.items()},
            crops=runs.crops,
        )
        write_whole(runs.out / 'tables' / f'{name}.md', text + '\n')
        path = runs.out / 'tables' / f'{name}.json'
        write_whole(path, json.dumps(content, indent=1))
        texts[name] = text
    return texts


def records(runs: Runs, row: str, seeds: Iterable[int]) -> dict[int, dict]:
    """Command, commit, hardware, time and log of a row's runs."""
    return {
        seed: json.loads((runs.folder(row, seed) / RECORD).read_text())
        | dict(log=log_of(runs.folder(row, seed)))
        for seed in seeds
    }


def costs_of(runs: Runs, table: Table) -> dict[str, dict[str, float]]:
    """What step_cost.py has measured of a table's rows; nothing if it was not run."""
    path = runs.out / 'tables' / COST_FILE
    if not table.costs or not path.exists():
        return {}
    return json.loads(path.read_text())['rows']


def markdown(
    table: Table, found: dict[str, Values], costs: dict[str, dict[str, float]]
) -> str:
    """A table of means, and for each base one of differences from it."""
    headings = list(table.metrics.values())
    extra = list(COSTS.values()) if table.costs else []
    lines = [f'### {table.title}', '', *head(['', *headings, *extra, 'seeds'])]
    for row in table.rows:
        cells = [spread(column(found[row], m), table.digits) for m in table.metrics]
        if table.costs:
            cells += costs_cells(costs.get(row))
        lines.append(line([ROWS[row].title, *cells, str(len(found[row]))]))
    for base in table.bases or table.rows[:1]:
        lines += ['', *compared_with(base, table, found)]
    return '\n'.join(lines)


def compared_with(base: str, table: Table, found: dict[str, Values]) -> list[str]:
    """Lines of a table of differences; metrics and rows without any are left out."""
    others = [row for row in table.rows if row != base]
    metrics = [
        name
        for name in table.metrics
        if any(differences(found[base], found[row], name) for row in others)
    ]
    title = ROWS[base].title
    if not metrics:
        return [f'Against "{title}": no seed has both.']
    lines = [
        f'Against "{title}", by seed; in brackets how many seeds have the sign of the '
        'mean:',
        '',
        *head(['', *(table.metrics[name] for name in metrics)]),
    ]
    for row in others:
        cells = [paired(found[base], found[row], m, table) for m in metrics]
        if any(cell != '-' for cell in cells):
            lines.append(line([ROWS[row].title, *cells]))
    return lines


def costs_cells(cost: dict[str, float] | None) -> list[str]:
    if cost is None:
        return ['-'] * len(COSTS)
    return [
        f'{cost["parameters"]:,}',
        f'{cost["relative"]:.2f}',
        f'{cost["milliseconds"]:.2f}',
    ]


def head(cells: list[str]) -> list[str]:
    return [line(cells), '|---|' + '---:|' * (len(cells) - 1)]


def line(cells: list[str]) -> str:
    return f'| {" | ".join(cells)} |'


def column(values: Values, metric: str) -> list[float]:
    """A metric of all seeds that have it."""
    return [one[metric] for one in values.values() if metric in one]


def spread(values: list[float], digits: int) -> str:
    """Mean and, of several seeds, half the range."""
    if len(values) < 2:
        return f'{values[0]:.{digits}f}' if values else '-'
    half = (max(values) - min(values)) / 2
    return f'{math.fsum(values) / len(values):.{digits}f} ± {half:.{digits}f}'


def differences(base: Values, other: Values, metric: str) -> list[float]:
    """Other less base, of the seeds that have both."""
    return [
        other[seed][metric] - base[seed][metric]
        for seed in base
        if seed in other and metric in base[seed] and metric in other[seed]
    ]


def paired(base: Values, other: Values, metric: str, table: Table) -> str:
    """Mean difference and half its range, its share of the base, signs that agree."""
    found = differences(base, other, metric)
    if not found:
        return '-'
    mean = math.fsum(found) / len(found)
    # What is not a digit of the table is no difference: rounding has a sign too.
    least = 0.5 * 10**-table.digits
    agree = sum(value * mean > 0 and abs(value) >= least for value in found)
    text = spread(found, table.digits)
    if '[mm]' in table.metrics[metric] or '[px]' in table.metrics[metric]:
        level = column(base, metric)
        text += f', {100 * mean * len(level) / math.fsum(level):+.1f} %'
    return f'{text} ({agree}/{len(found)})'


def last_quarter(runs: Runs, row: str, seed: int) -> dict[str, float]:
    """How much a finished run's errors change over its last quarter, as shares.

    Raises:
        ValueError: its logs lack a validation.
    """
    folder, epochs = runs.folder(row, seed), runs.length(row)
    found = log_of(folder)['validations']
    before = epochs * 3 // 4
    if not {before, epochs} <= set(found):
        raise UserError(
            f'{folder}: its logs have no validation after epochs {before} and '
            f'{epochs}, by which the baseline is judged; delete this folder to train '
            'it again'
        )
    return {name: found[epochs][name] / found[before][name] - 1 for name in WATCHED}


def flatness(title: str, changes: dict[int, dict[str, float]]) -> str:
    """Whether a row has converged, a sentence for each error.

    Args:
        title: of the row.
        changes: over its last quarter, as shares, by seed.
    """
    if not changes:
        return f'"{title}" is not finished.'
    sentences = []
    for name in WATCHED:
        told = ', '.join(
            f'{100 * c[name]:+.2f} % (seed {s})' for s, c in changes.items()
        )
        flat = max(abs(change[name]) for change in changes.values()) < FLAT
        verdict = 'flat' if flat else 'not flat: training goes on to improve it'
        sentences.append(
            f'{name} of "{title}" over the last quarter of its training: {told}; '
            f'less than {FLAT:.0%} is asked, so it is {verdict}.'
        )
    return ' '.join(sentences)
