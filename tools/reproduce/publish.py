"""Make of finished runs what the project keeps: the page, its numbers, the metafile.

Writes the tables anew, then ``results.md`` (tables, and of every run command, commit,
hardware and time), ``results.json`` (also the course of every training) and
``metafile.yml`` of the zoo. Nothing is trained. Flags as of ``table.py``.

Example:
    python tools/reproduce/publish.py --out work_dirs/reproduce --seeds 0 1 2
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.rows import BARS, BOTH, ROWS, TABLES, by_group
from tools.reproduce.run_flags import parse_run_flags


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--to', type=Path, default=ROOT / 'configs/reproduce', help='folder to fill'
    )
    return parse_run_flags(parser, argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import yaml

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from tools.reproduce.report import column, spread, write_tables
from tools.reproduce.runs import Runs

BEGIN = """# Results on the free benchmark

Written by `tools/reproduce/publish.py` from runs of `tools/reproduce/table.py`: mean ±
half the range over the seeds. Trained on {train} crops, tested on {test}. What the
benchmark is, and is not:
[The papers' tables on a free benchmark](../../docs/reproduce.md).
"""
SHOWN = by_group('MPVPE', 'mm') | BOTH | BARS
CAUSES = ('line_of_sight', 'ranking', 'occlusion', 'sample_choice')
# What the commands call the folders, wherever a machine had them.
OUT, CACHE = 'work_dirs/reproduce', 'data/benchmark/cache'


def read_tables(runs: Runs, names: Iterable[str]) -> dict[str, dict]:
    """The numbers of tables, by table, without this machine's folders.

    Raises:
        ValueError: there is none.
    """
    folder = runs.out / 'tables'
    found = {name: json.loads((folder / f'{name}.json').read_text()) for name in names}
    for told in found.values():
        for run in (run for seeds in told['runs'].values() for run in seeds.values()):
            del run['settings']  # the command has them
            for folder, name in ((runs.cache, CACHE), (runs.out, OUT)):
                run['command'] = run['command'].replace(str(folder), name)
    if not found:
        raise UserError(
            f'{runs.out}: holds no finished run; run tools/reproduce/table.py with the '
            'same --out first'
        )
    return found


def read_causes(runs: Runs, found: dict[str, dict[str, dict]]) -> list[str]:
    """Pages of the tools that tell causes, of those that were run.

    Raises:
        ValueError: one tells of other seeds than are finished.
    """
    texts = []
    for name in CAUSES:
        path = runs.out / 'tables' / f'{name}.json'
        if not path.exists():
            continue
        for row, seeds in json.loads(path.read_text()).items():
            finished = set(found.get(row, {}))
            if set(seeds) != finished:
                raise UserError(
                    f'{path}: tells of seeds {" ".join(seeds)} of {row!r}, of which '
                    f'{" ".join(sorted(finished)) or "none"} are to be published; run '
                    f'tools/reproduce/{name}.py again, with the same --seeds'
                )
        texts.append(path.with_suffix('.md').read_text())
    return texts


def runs_of(tables: dict[str, dict]) -> dict[str, dict[str, dict]]:
    """Rows that are finished: by seed what is known of the run, and its metrics."""
    found: dict[str, dict[str, dict]] = {}
    for told in tables.values():
        for row, seeds in told['values'].items():
            for seed, metrics in seeds.items():
                metrics = {name: shortened(value) for name, value in metrics.items()}
                run = dict(told['runs'][row][seed], metrics=metrics)
                found.setdefault(row, {})[seed] = run
    return found


def shortened(value: float) -> float:
    """To six digits, far more than two runs have in common."""
    return float(f'{value:.6g}')


def not_compared(compared: list[str]) -> list[str]:
    """A paragraph on the tables of which less than two rows are finished, if any."""
    titles = [table.title for name, table in TABLES.items() if name not in compared]
    if not titles:
        return []
    return [f'Not run yet, or only their first row: {"; ".join(titles)}.']


def run_lines(found: dict[str, dict[str, dict]]) -> str:
    """Of each run where, by which commit and how long it was made, and its command."""
    lines = [
        '## Runs',
        '',
        '| row | seed | steps | minutes | commit | hardware |',
        '|---|---|---:|---:|---|---|',
    ]
    for row, seeds in found.items():
        for seed, run in seeds.items():
            commit = run['commit'][:9] + (' + changes' if run['changed'] else '')
            lines.append(
                f'| {ROWS[row].title} | {seed} | {run["steps"]} '
                f'| {run["seconds"] / 60:.0f} | {commit} | {run["hardware"]} |'
            )
    commands = [folded(command_of(seeds)) for seeds in found.values()]
    lines += ['', 'Their commands, of the first seed:', '', '```bash', *commands, '```']
    return '\n'.join(lines)


def command_of(seeds: dict[str, dict]) -> str:
    """The training of a row's first seed."""
    return seeds[min(seeds)]['command']


def folded(command: str) -> str:
    """A command as lines of a page that a shell joins."""
    lines = textwrap.wrap(
        command,
        94,
        subsequent_indent='    ',
        break_long_words=False,
        break_on_hyphens=False,
    )
    return ' \\\n'.join(lines)


def each(values: Iterable[str]) -> str:
    """What several runs have, each once, in their order."""
    return ', '.join(dict.fromkeys(values))


def metafile(found: dict[str, dict[str, dict]]) -> dict:
    """The zoo's entries, a row each."""
    models = []
    for row, seeds in found.items():
        runs = list(seeds.values())
        values = {seed: run['metrics'] for seed, run in seeds.items()}
        metrics = {
            title: spread(column(values, name), 3 if name in BARS else 2)
            for name, title in SHOWN.items()
            if column(values, name)
        }
        models.append(
            {
                'Name': f'reproduce/{row}',
                'In Collection': 'Tables on the free benchmark',
                'Config': f'configs/reproduce/{ROWS[row].config}.py',
                'Metadata': {
                    'Row': ROWS[row].title,
                    'Training Data': 'the free benchmark',
                    'Seeds': ', '.join(seeds),
                    'Hardware': each(run['hardware'] for run in runs),
                    'Commit': each(run['commit'][:9] for run in runs),
                    'Command': f'`{command_of(seeds)}`',
                    'Log': '`configs/reproduce/results.json`',
                },
                'Results': [
                    {
                        'Task': '3D Hand Mesh',
                        'Dataset': 'free benchmark, test',
                        'Metrics': metrics,
                    }
                ],
            }
        )
    collection = {
        'Name': 'Tables on the free benchmark',
        'Paper': {'Title': "Both papers' ablations, trained on rendered hands"},
    }
    return dict(Collections=[collection], Models=models)


def main(argv: list[str] | None = None) -> None:
    """Write the tables, read them, write the three files."""
    args = parse_args(argv)
    with plain_errors(building=True):
        runs = Runs(args)
        written = write_tables(runs, list(TABLES), args.seeds)
        tables = read_tables(runs, written)
        found = runs_of(tables)
        causes = read_causes(runs, found)
    compared = [
        name
        for name, told in tables.items()
        if sum(map(bool, told['values'].values())) > 1
    ]
    texts = [*(written[name] for name in compared), *causes]
    texts = [text.strip().replace('### ', '## ') for text in texts]
    begin = BEGIN.format(**runs.crops)
    parts = [begin.strip(), *not_compared(compared), *texts, run_lines(found)]
    page = '\n\n'.join(parts)
    write_whole(args.to / 'results.md', page + '\n')
    kept = dict(crops=runs.crops, runs=found)
    write_whole(args.to / 'results.json', json.dumps(kept, indent=1))
    entries = yaml.safe_dump(metafile(found), sort_keys=False, allow_unicode=True)
    write_whole(args.to / 'metafile.yml', entries)
    print(f'{len(found)} rows in {args.to}')


if __name__ == '__main__':
    main()
