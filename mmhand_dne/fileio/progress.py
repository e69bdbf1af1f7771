"""How far a long piece of work is: a bar in a terminal, some lines in a log file."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

LOG_LINES = 10  # of work whose output goes to a file


class Progress:
    """Progress of ``total`` pieces of work, on standard output.

    A terminal shows a bar that is drawn over itself. Anything else, such as a log file,
    gets at most LOG_LINES lines, and no carriage return.

    Args:
        total: how many pieces there are; None: unknown.
        title: what is done.

    Example:
        >>> with Progress(2, 'reading images') as bar:
        ...     for _ in range(2):
        ...         bar.update()
    """

    def __init__(self, total: int | None, title: str) -> None:
        self.total, self.title, self.done = total, title, 0
        self._bar: RichProgress | None = None

    def __enter__(self) -> 'Progress':
        self._start, self._logged = time.monotonic(), 0
        if self.total != 0 and sys.stdout.isatty():
            self._bar = RichProgress(
                TextColumn('{task.description}'),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(file=sys.stdout),
            )
            self._task = self._bar.add_task(self.title, total=self.total)
            self._bar.start()
        return self

    def __exit__(self, *error) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self.total is None and self.done:
            self._log()

    def update(self, count: int = 1) -> None:
        """``count`` more pieces are done."""
        self.done += count
        if self._bar is not None:
            self._bar.advance(self._task, count)
        elif self.total:
            lines = self.done * LOG_LINES // self.total
            if lines > self._logged:
                self._logged = lines
                self._log()

    def _log(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-9)
        of = '' if self.total is None else f'/{self.total}'
        print(
            f'{self.title}: {self.done}{of}, {self.done / seconds:.3g} per second',
            flush=True,
        )
