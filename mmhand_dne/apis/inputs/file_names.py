"""How the files about an input's images are called."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

# The files of a run itself are called so, with several endings.
OF_THE_RUN = ('demo', 'done', 'report')
# File systems allow 255 bytes; what a file shows, its number and its ending follow.
LONGEST = 180
LONGER: tuple[Callable[[Path], str], ...] = (
    lambda path: path.name.replace('.', '_'),
    lambda path: '_'.join(path.with_suffix('').parts[-2:]),
)


def distinct_names(sources: Sequence[str]) -> list[str]:
    """A name for each image: its stem; where two agree, more of the path.

    Names differ also where a file system ignores the case of letters, and from those of
    the run's own files; long ones are cut.
    """
    names = [shortened(Path(source).stem) for source in sources]
    for longer in LONGER:
        counts = Counter(name.casefold() for name in names)
        names = [
            shortened(longer(Path(source)))
            if counts[name.casefold()] > 1 or name.casefold() in OF_THE_RUN
            else name
            for name, source in zip(names, sources)
        ]
    taken: set[str] = set()
    return [_free(name, i, taken) for i, name in enumerate(names)]


def next_name(source: str, index: int, taken: set[str]) -> str:
    """A name for an image of which it is not known what comes after it.

    Args:
        index: of the image.
        taken: the names before it, in small letters; gets the new one.
    """
    path = Path(source)
    names = [path.stem, *(longer(path) for longer in LONGER)]
    for name in map(shortened, names):
        if name.casefold() not in OF_THE_RUN and name.casefold() not in taken:
            break
    return _free(name, index, taken)


def shortened(name: str) -> str:
    """A name of at most LONGEST bytes, cut between letters."""
    content = os.fsencode(name)
    if len(content) <= LONGEST:
        return name
    return content[:LONGEST].decode(errors='ignore')


def _free(name: str, index: int, taken: set[str]) -> str:
    """The name, with a number from ``index`` on if it is taken; now it is."""
    free, numbers = name, count(index)
    while free.casefold() in taken:
        free = f'{name}_{next(numbers)}'
    taken.add(free.casefold())
    return free
