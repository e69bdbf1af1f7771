"""How long commands take to start: imports, --help of every tool, the first result.

Each row is the best of some runs, of a new process each, all rows by turns. The CPU's
seconds say what a quiet machine would need, also where another program holds the clock
up; the last column is them over those of ``import torch``, which says how fast the
machine was. ``import mmhand_dne.apis`` is the whole of MMPose, as a program that
imports this package has it. A run before the first writes byte code and is not counted.

Example:
    python tools/benchmarks/start_times.py tests/data/hands/1193_4.jpg
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TOOLS = Path(__file__).resolve().parents[1]
GUARD = "if __name__ == '__main__'"
YARDSTICK = 'import torch'
IMPORTS = ('torch', 'mmpose', 'mmhand_dne', 'mmhand_dne.apis')


class Seconds(NamedTuple):
    """What a command took."""

    clock: float
    cpu: float  # of all its threads


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo', nargs='?', help='also the demo, from command to files')
    parser.add_argument('--runs', type=int, default=3, help='default: 3')
    return parser.parse_args(argv)


def seconds_of(command: list[str]) -> Seconds:
    """Run a Python command in a process of its own.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # From a checkout, as from an installation.
    path = os.pathsep.join([str(TOOLS.parent), os.environ.get('PYTHONPATH', '')])
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path},
    )
    clock = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)} failed: {done.stderr.strip()}')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(clock, cpu)


def best_of(runs: int, commands: dict[str, list[str]]) -> dict[str, Seconds]:
    """The least of each command's runs, after one that is not counted.

    The commands take turns, so that what slows the machine slows all of them.
    """
    taken = [
        {name: seconds_of(command) for name, command in commands.items()}
        for _ in range(1 + runs)
    ][1:]
    return {
        name: Seconds(*(min(values) for values in zip(*(run[name] for run in taken))))
        for name in commands
    }


def commands(photo: str | None, folder: str) -> dict[str, list[str]]:
    """Name of a row: its command."""
    rows = {f'import {name}': ['-c', f'import {name}'] for name in IMPORTS}
    for path in sorted(TOOLS.rglob('*.py')):
        if GUARD in path.read_text(encoding='utf-8'):
            name = path.relative_to(TOOLS)
            rows[f'{name} --help'] = [str(path), '--help']
    if photo:
        demo = [str(TOOLS / 'demo.py'), photo, '--out-dir', folder, '--overwrite']
        rows['demo.py PHOTO'] = demo
    return rows


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        rows = best_of(args.runs, commands(args.photo, folder))
    print(f'{"":52}{"clock [s]":>10}{"CPU [s]":>10}{"of torch":>10}')
    for name, taken in rows.items():
        share = taken.cpu / rows[YARDSTICK].cpu
        print(f'{name:52}{taken.clock:10.2f}{taken.cpu:10.2f}{share:10.2f}')


if __name__ == '__main__':
    main()
