"""Print one table: constant predictor, coarse mesh, every stage, refined mesh.

Example:
    python tools/test.py CONFIG CHECKPOINT --out work_dirs/x/metrics.json
    python tools/analysis_tools/constant_predictor.py CONFIG --out work_dirs/x/mean.json
    python tools/analysis_tools/summarize_results.py work_dirs/x/metrics.json \
        --constant work_dirs/x/mean.json
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError

COLUMNS = ('MPJPE', 'MPVPE', 'PA-MPJPE', 'PA-MPVPE', 'MPVPE2D')
UNITS = ('mm', 'mm', 'mm', 'mm', 'px')
STAGE = re.compile(r'(coarse|stage\d+)/')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('metrics', type=Path, help='json written by test.py --out')
    parser.add_argument('--constant', type=Path, help='json of constant_predictor.py')
    parser.add_argument('--group', choices=('SH', 'IH', 'All'), default='All')
    return parser.parse_args(args)


def read_metrics(path: Path) -> dict[str, float]:
    """Metrics of a json file.

    Raises:
        ValueError: it is missing, no json object, or holds no metric of HandMeshMetric.
    """
    try:
        metrics = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: cannot be read as json: {error}') from error
    if not isinstance(metrics, dict) or not any('MPJPE_' in key for key in metrics):
        raise UserError(
            f'{path}: holds no metric of HandMeshMetric; pass the file that '
            'tools/test.py --out or constant_predictor.py --out wrote'
        )
    return metrics


def rows(metrics: dict, constant: dict | None, group: str) -> list[tuple[str, list]]:
    """(name, values) of each row; NaN where a metric is absent. The last stage is the
    refined mesh and has that row only.
    """

    def row(source, prefix=''):
        return [source.get(f'{prefix}{name}_{group}', math.nan) for name in COLUMNS]

    prefixes = {match[0] for match in map(STAGE.match, metrics) if match}
    found = [('constant', row(constant))] if constant else []
    stages = [
        (prefix[:-1], row(metrics, prefix))
        for prefix in sorted(prefixes, key=lambda p: (p != 'coarse/', len(p), p))
    ]
    if stages and stages[-1][1] == row(metrics):
        stages.pop()
    return [*found, *stages, ('refined', row(metrics))]


def table(named_rows: list[tuple[str, list]]) -> str:
    """Markdown table; below it the ratios that say whether a model learned."""
    header = [f'{name} [{unit}]' for name, unit in zip(COLUMNS, UNITS, strict=True)]
    lines = [f'| {"":10s} | ' + ' | '.join(header) + ' |']
    lines.append('|---|' + '---:|' * len(header))
    for name, values in named_rows:
        cells = [
            f'{value:{len(title)}.2f}'
            for value, title in zip(values, header, strict=True)
        ]
        lines.append(f'| {name:10s} | ' + ' | '.join(cells) + ' |')
    by_name = dict(named_rows)
    for name, base in (('coarse', 'constant'), ('refined', 'coarse')):
        if name in by_name and base in by_name:
            ratios = ', '.join(
                f'{title} {value / reference:.3f}'
                for title, value, reference in zip(
                    COLUMNS, by_name[name], by_name[base], strict=True
                )
                if reference > 0
            )
            lines.append(f'\n{name} / {base}: {ratios}')
    return '\n'.join(lines)


def main(args=None):
    args = parse_args(args)
    constant = read_metrics(args.constant) if args.constant else None
    print(table(rows(read_metrics(args.metrics), constant, args.group)))


if __name__ == '__main__':
    main()
