"""Tables of finished runs: means, half ranges, differences of a seed, as Markdown."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

from mmhand_dne.fileio.atomic import write_whole
from tools.reproduce.rows import ROWS, TABLES, Table
from tools.reproduce.runs import RECORD, Runs, added_parameters

FLAT = 0.01  # a converged baseline's change over the last quarter, at most
WATCHED = 'MPVPE_All'
Values = dict[int, dict[str, float]]  # metrics by seed


def write_tables(runs: Runs, names: list[str], seeds: list[int]) -> None:
    """Print tables; write ``tables/<name>.md`` and ``.json`` below the runs' folder."""
    for name in names:
        table = TABLES[name]
        found = {
            row: {s: runs.metrics(row, s) for s in seeds if runs.is_finished(row, s)}
            for row in table.rows
        }
        if not any(found.values()):
            print(f'\n{table.title}: nothing is finished')
            continue
        text = markdown(table, found, costs_of(runs, table, found))
        flat = {s: change for s in seeds if (change := last_quarter(runs, s))}
        if name == 'control':
            text += f'\n\n{flatness(flat)}'
        content = dict(
            title=table.title,
            values=found,
            runs={row: records(runs, row, values) for row, values in found.items()},
            last_quarter=flat,
            crops=runs.crops,
        )
        write_whole(runs.out / 'tables' / f'{name}.md', text + '\n')
        path = runs.out / 'tables' / f'{name}.json'
        write_whole(path, json.dumps(content, indent=1))
        print(f'\n{text}', flush=True)


def records(runs: Runs, row: str, seeds: Iterable[int]) -> dict[int, dict]:
    """Command, commit, hardware and time of a row's runs."""
    return {
        seed: json.loads((runs.folder(row, seed) / RECORD).read_text())
        for seed in seeds
    }


def costs_of(runs: Runs, table: Table, found: dict[str, Values]) -> dict[str, tuple]:
    """Parameters that a row adds, and seconds of its training step."""
    if not table.costs:
        return {}
    return {
        row: (added_parameters(runs, row, min(values)), runs.pace(row))
        for row, values in found.items()
        if values
    }


def markdown(table: Table, found: dict[str, Values], costs: dict[str, tuple]) -> str:
    """A table of means, and one of differences from its first row."""
    first, *others = table.rows
    headings = list(table.metrics.values())
    extra = ['parameters added', 's a step'] if table.costs else []
    lines = [f'### {table.title}', '', *head(['', *headings, *extra, 'seeds'])]
    for row in table.rows:
        cells = [spread(column(found[row], m), table.digits) for m in table.metrics]
        if table.costs:
            cells += costs_cells(costs.get(row))
        lines.append(line([ROWS[row].title, *cells, str(len(found[row]))]))
    lines += [
        '',
        f'Against "{ROWS[first].title}", by seed; in brackets how many seeds ',
    ]
    lines[-1] += 'have the sign of the mean:'
    lines += ['', *head(['', *headings])]
    for row in others:
        cells = [paired(found[first], found[row], m, table) for m in table.metrics]
        lines.append(line([ROWS[row].title, *cells]))
    return '\n'.join(lines)


def costs_cells(cost: tuple | None) -> list[str]:
    return ['-', '-'] if cost is None else [f'{cost[0]:,}', f'{cost[1]:.2f}']


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
    agree = sum(value * mean > 0 for value in found)
    text = spread(found, table.digits)
    if '[mm]' in table.metrics[metric] or '[px]' in table.metrics[metric]:
        level = column(base, metric)
        text += f', {100 * mean * len(level) / math.fsum(level):+.1f} %'
    return f'{text} ({agree}/{len(found)})'


def curve(folder: Path) -> dict[int, float]:
    """The error after each epoch that was validated, of all parts of a run."""
    found = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for text in path.read_text().splitlines():
            entry = json.loads(text)
            if WATCHED in entry:
                found[int(entry['step'])] = entry[WATCHED]
    return found


def last_quarter(runs: Runs, seed: int) -> float | None:
    """How much the baseline's error changes over its last quarter, as a share."""
    epochs, found = runs.length('baseline'), curve(runs.folder('baseline', seed))
    if epochs not in found:
        return None
    return found[epochs] / found[epochs * 3 // 4] - 1


def flatness(changes: dict[int, float]) -> str:
    """Whether the baseline has converged, in a sentence."""
    if not changes:
        return 'No baseline is finished.'
    told = ', '.join(f'{100 * c:+.2f} % (seed {s})' for s, c in changes.items())
    flat = max(map(abs, changes.values())) < FLAT
    verdict = 'flat' if flat else 'not flat: train it longer'
    return (
        f"The baseline's {WATCHED} over the last quarter of its training: {told}; "
        f'less than {FLAT:.0%} is asked, so it is {verdict}.'
    )
