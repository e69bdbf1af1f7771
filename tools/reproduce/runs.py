"""Runs of the tables' rows: started, stopped, continued, tested, recorded."""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.config import Config

from mmhand_dne.datasets.readers.feature_cache import open_cache
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from tools.reproduce.rows import ROWS
from tools.reproduce.run_records import (
    MAKING,
    circumstances,
    differing,
    digest,
    log_of,
)

ROOT = Path(__file__).resolve().parents[2]
GRACE = 20  # seconds that a process has to end itself
RECORD, METRICS = 'run.json', 'metrics.json'


class TimeIsOver(Exception):
    """There are no minutes left; what was begun can be continued."""


class Runs:
    """All runs below a folder: ``runs/<row>/seed<n>/`` each.

    Args:
        args: ``cache``, ``out``, the numbers of epochs, ``stage_crops`` and
            ``threads`` of ``table.py``'s command line.

    Raises:
        ValueError: the cache is not there, or not finished.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.cache, self.out = args.cache.resolve(), args.out.resolve()
        self.threads = args.threads
        self.epochs = dict(
            baseline=args.baseline_epochs,
            stage=args.stage_epochs,
            long=args.stage_epochs,
            bars=args.bars_epochs,
        )
        caches = {split: open_cache(self.cache / split) for split in ('train', 'test')}
        self.crops = {split: len(found.samples) for split, found in caches.items()}
        self.made_of = {
            split: digest([found.settings, len(found.samples)])
            for split, found in caches.items()
        }
        self.digests: dict[str, str] = {}
        self.stage_crops = min(args.stage_crops, self.crops['train'])

    def folder(self, row: str, seed: int) -> Path:
        """Where a run is."""
        return self.out / 'runs' / row / f'seed{seed}'

    def config(self, row: str) -> str:
        """A row's config, from the project's folder on."""
        return f'configs/reproduce/{ROWS[row].config}.py'

    def length(self, row: str) -> int:
        """Epochs of a run."""
        return self.epochs[ROWS[row].length]

    def options(self, row: str, seed: int) -> dict[str, str]:
        """Keys of the row's config that the command line sets."""
        epochs = self.length(row)
        found = {
            'randomness.seed': seed,
            'train_cfg.max_epochs': epochs,
            'train_cfg.val_interval': max(1, epochs // 4),
            'param_scheduler.0.T_max': epochs,
            'param_scheduler.0.end': epochs,
        }
        for split, part in (('train', 'train'), ('val', 'test'), ('test', 'test')):
            found[f'{split}_dataloader.dataset.folder'] = self.cache / part
        if self.crops_of_an_epoch(row) < self.crops['train']:
            found['train_dataloader.dataset.indices'] = self.crops_of_an_epoch(row)
        if ROWS[row].start:
            found['load_from'] = self.checkpoint(ROWS[row].start, seed)
        return {key: str(value) for key, value in found.items()}

    def checkpoint(self, row: str, seed: int) -> Path:
        """The last checkpoint of a finished run."""
        return self.folder(row, seed) / f'epoch_{self.length(row)}.pth'

    def settings(self, row: str, seed: int) -> dict:
        """What a run's numbers depend on: options, and what its files hold."""
        return dict(
            config=self.config(row),
            options=self.options(row, seed),
            contents=dict(config=self.config_digest(row), **self.made_of),
        )

    def config_digest(self, row: str) -> str:
        """Of the parts of a row's config that its numbers come from."""
        if row not in self.digests:
            cfg = Config.fromfile(ROOT / self.config(row)).to_dict()
            self.digests[row] = digest({name: cfg.get(name) for name in MAKING})
        return self.digests[row]

    def record(self, row: str, seed: int) -> dict:
        """What is known of a run: its settings, its time, where and by which commit.

        Raises:
            ValueError: it was begun with other settings.
        """
        settings = self.settings(row, seed)
        path = self.folder(row, seed) / RECORD
        if not path.exists():
            return dict(
                settings=settings, seconds=0.0, steps=0, **circumstances(self.threads)
            )
        found = json.loads(path.read_text())
        if other := differing(found['settings'], settings):
            raise UserError(
                f'{path.parent}: was run with other {", ".join(other)}; give another '
                '--out or delete this folder'
            )
        return found

    def is_finished(self, row: str, seed: int) -> bool:
        """Whether it is trained and tested."""
        folder = self.folder(row, seed)
        return (folder / METRICS).exists() and bool(self.record(row, seed))

    def metrics(self, row: str, seed: int) -> dict[str, float]:
        """Of a finished run."""
        return json.loads((self.folder(row, seed) / METRICS).read_text())

    def crops_of_an_epoch(self, row: str) -> int:
        """Training crops that a row sees in an epoch: all, or the first for stages."""
        stage = ROWS[row].length == 'stage'
        return self.stage_crops if stage else self.crops['train']

    def steps_of_an_epoch(self, row: str) -> int:
        """Batches of an epoch's crops."""
        batch = Config.fromfile(ROOT / self.config(row)).train_dataloader.batch_size
        return math.ceil(self.crops_of_an_epoch(row) / batch)

    def steps_done(self, row: str, seed: int) -> int:
        """Steps of the last checkpoint."""
        path = self.folder(row, seed) / 'last_checkpoint'
        if not path.exists():
            return 0
        kind, number = re.search(r'(epoch|iter)_(\d+)\.pth', path.read_text()).groups()
        factor = self.steps_of_an_epoch(row) if kind == 'epoch' else 1
        return factor * int(number)

    def pace(self, row: str) -> float:
        """Seconds a step: measured in this row's runs, else what ROWS says."""
        found = (self.out / 'runs' / row).glob(f'seed*/{RECORD}')
        records = [json.loads(path.read_text()) for path in found]
        steps = sum(record['steps'] for record in records)
        if not steps:
            return ROWS[row].pace
        return sum(record['seconds'] for record in records) / steps

    def seconds_left(self, row: str, seed: int) -> float:
        """What a run still takes, by its pace."""
        if self.is_finished(row, seed):
            return 0.0
        steps = self.length(row) * self.steps_of_an_epoch(row)
        return (steps - self.steps_done(row, seed)) * self.pace(row)

    def finish(self, row: str, seed: int, deadline: float) -> None:
        """Train what is left of a run, test it.

        Args:
            deadline: of ``time.monotonic``.
        Raises:
            TimeIsOver: it is not finished.
            ValueError: a tool failed.
        """
        if self.is_finished(row, seed):
            return
        steps = self.length(row) * self.steps_of_an_epoch(row)
        folder, record = self.folder(row, seed), self.record(row, seed)
        write_whole(folder / RECORD, json.dumps(record, indent=2))
        print(f'{row}, seed {seed}: {self.seconds_left(row, seed) / 60:.0f} minutes')
        validated = ROWS[row].length != 'baseline' or self.is_validated(row, seed)
        if self.steps_done(row, seed) < steps or not validated:
            self.train(row, seed, record, deadline)
        self.test(row, seed, deadline)

    def is_validated(self, row: str, seed: int) -> bool:
        """Whether the last epoch's validation is in the logs; the train loop makes up
        for one that it was stopped before.
        """
        return self.length(row) in log_of(self.folder(row, seed))['validations']

    def train(self, row: str, seed: int, record: dict, deadline: float) -> None:
        """Start or continue a training, and note its time."""
        folder, before = self.folder(row, seed), self.steps_done(row, seed)
        start = time.monotonic()
        flags = ['--work-dir', folder, '--resume']
        if ROWS[row].length != 'baseline':
            flags.append('--no-validate')
        command = [*self.command('train.py', row, seed, *flags)]
        try:
            self.call(command, folder / 'train.log', deadline)
        finally:
            record['command'] = ' '.join(['python', *map(str, command[1:])])
            record['steps'] += self.steps_done(row, seed) - before
            record['seconds'] += time.monotonic() - start
            write_whole(folder / RECORD, json.dumps(record, indent=2))

    def test(self, row: str, seed: int, deadline: float) -> None:
        """Score a trained model."""
        folder = self.folder(row, seed)
        command = self.command('test.py', row, seed, '--work-dir', folder / 'test')
        command.insert(3, self.checkpoint(row, seed))
        out = folder / f'.{METRICS}'.replace('.json', '.partial.json')
        self.call([*command, '--out', out], folder / 'test.log', deadline)
        write_whole(folder / METRICS, out.read_text())
        out.unlink()
        print(f'{row}, seed {seed}: finished', flush=True)

    def command(self, tool: str, row: str, seed: int, *flags: str | Path) -> list:
        """A tool's command line, with the run's options as one flag."""
        options = [f'{key}={value}' for key, value in self.options(row, seed).items()]
        if tool == 'test.py':
            options = [one for one in options if not one.startswith('load_from')]
        path = f'tools/{tool}'
        return [
            *(sys.executable, path, self.config(row)),
            *('--cfg-options', *options),
            *flags,
        ]

    def call(self, command: list, log: Path, deadline: float) -> None:
        """Run a tool; what it says goes to the end of a file."""
        environment = dict(
            os.environ,
            OMP_NUM_THREADS=str(self.threads),
            PYTHONPATH=f'{ROOT}:{os.environ.get("PYTHONPATH", "")}',
        )
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeIsOver
        process = None
        try:
            with log.open('a') as out, asked_to_end_later():
                process = subprocess.Popen(
                    list(map(str, command)),
                    cwd=ROOT,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
            status = process.wait(None if math.isinf(left) else left)
        except subprocess.TimeoutExpired:
            raise TimeIsOver from None
        finally:
            if process is not None:
                end(process)
        if status:
            last = (log.read_text().strip().splitlines() or ['nothing'])[-1]
            raise UserError(
                f'{Path(command[1]).name} failed, saying {last!r}; all that it said '
                f'is in {log}'
            )


@contextmanager
def asked_to_end_later() -> Iterator[None]:
    """Let SIGTERM wait for the block's end: what is being started would be lost."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)


def end(process: subprocess.Popen) -> None:
    """End a process with those that it started, if it still runs."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
