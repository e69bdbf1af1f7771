"""How far a long piece of work is."""

from rich.progress import Progress as RichProgress


class Progress:
    """A bar for ``total`` pieces of work; None: unknown.

    Example:
        >>> with Progress(2, 'reading images') as bar:
        ...     for _ in range(2):
        ...         bar.update()
    """

    def __init__(self, total: int | None, title: str) -> None:
        self._bar = RichProgress()
        self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> 'Progress':
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, count: int = 1) -> None:
        """``count`` more pieces are done."""
        self._bar.advance(self._task, count)
