"""Train and test what the papers' tables need, and print the tables.

Says first how long it takes. A run that was stopped, by hand or because its minutes
were over, continues the next time; one that is finished is not repeated. The exit
status is 3 where something is left.

Example:
    bash tools/reproduce/benchmark.sh
    python tools/reproduce/table.py table2 table3 --minutes 60
    python tools/reproduce/table.py all --seeds 0 --estimate
"""

import argparse
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.rows import TABLES, rows_of
from tools.reproduce.run_flags import parse_run_flags

LEFT = 3  # exit status: minutes are over, and not all is done


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'tables', nargs='+', choices=[*TABLES, 'all'], help='which tables'
    )
    parser.add_argument(
        '--minutes', type=float, default=float('inf'), help='stop after so many'
    )
    parser.add_argument(
        '--estimate', action='store_true', help='say how long, and run nothing'
    )
    parser.add_argument(
        '--report', action='store_true', help='print what is there, and run nothing'
    )
    args = parse_run_flags(parser, argv)
    if 'all' in args.tables:
        args.tables = list(TABLES)
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmhand_dne.cli.plain_errors import plain_errors
from tools.reproduce.report import write_tables
from tools.reproduce.runs import Runs, TimeIsOver


def main(argv: list[str] | None = None) -> None:
    """Say how long it takes, run what is left, write the tables."""
    args = parse_args(argv)
    # Ended from outside, it ends the training that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(LEFT))
    deadline = time.monotonic() + 60 * args.minutes
    with plain_errors(building=True):
        runs = Runs(args)
        # A seed after the other: one whole column of numbers, then the next.
        todo = [(row, seed) for seed in args.seeds for row in rows_of(args.tables)]
        if not args.report:
            say_estimate(runs, todo)
        if not (args.report or args.estimate):
            try:
                for row, seed in todo:
                    runs.finish(row, seed, deadline)
            except TimeIsOver:
                print('the minutes are over; run it again to continue', flush=True)
        texts = write_tables(runs, args.tables, args.seeds)
    for name in args.tables:
        print(f'\n{texts.get(name, f"{TABLES[name].title}: nothing is finished")}')
    if any(not runs.is_finished(row, seed) for row, seed in todo):
        sys.exit(LEFT)


def say_estimate(runs: Runs, todo: list[tuple[str, int]]) -> None:
    """Print how long what is left takes, by row."""
    total = 0.0
    for row in dict.fromkeys(row for row, _ in todo):
        seconds = sum(
            runs.seconds_left(name, seed) for name, seed in todo if name == row
        )
        total += seconds
        if seconds:
            print(f'{row}: {seconds / 60:.0f} minutes')
    print(f'left in all: {total / 3600:.1f} hours', flush=True)


if __name__ == '__main__':
    main()
