"""Reading long JSON arrays object by object: a file of a gigabyte in megabytes."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from mmhand_dne.errors import UserError

CHUNK = 1 << 22  # characters read at once
LONGEST = 1 << 24  # characters of one value; what is longer is damaged
SPACE = re.compile(r'[ \t\r\n]*')
DECODER = json.JSONDecoder()
AFTER_VALUE = frozenset(',:]} \t\r\n')
WHOLE = ''  # the name of an array that is the whole file


def stream_arrays(
    path: str | Path, names: Collection[str] = (WHOLE,)
) -> Iterator[tuple[str, Any]]:
    """Yield (name, item) of a file's top-level arrays, in the file's order.

    Args:
        path: of a JSON object whose entries ``names`` are arrays; other entries are
            skipped. ``('',)``: the file is one array.
        names: of the arrays wanted.
    Raises:
        ValueError: the file is missing, no JSON, truncated, or has no such array.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f'{path}: no such annotation file; check data_root and ann_file in the '
            'data config, or download the annotations'
        )
    with open(path, encoding='utf-8') as file:
        reader = _Reader(path, file)
        if WHOLE in names:
            for item in reader.items():
                yield WHOLE, item
        else:
            yield from _named_items(reader, names)


def _named_items(reader: '_Reader', names: Collection[str]) -> Iterator[tuple]:
    missing = set(names)
    reader.take('{')
    closed = reader.peek() == '}'
    while not closed:
        name = reader.value()
        reader.take(':')
        if name in missing:
            missing.remove(name)
            for item in reader.items():
                yield name, item
        else:
            reader.value()
        closed = reader.closes('}')
    if missing:
        raise UserError(
            f'{reader.path}: no entry {min(missing)!r}; it is another file than '
            'expected or incomplete, check the data config or download it again'
        )


class _Reader:
    """A window on the text of a file, moved along it."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.file = path, file
        self.text, self.at, self.before = '', 0, 0

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                raise self._damaged('it ends too early')

    def take(self, character: str) -> None:
        """Pass one given character."""
        if self.peek() != character:
            raise self._damaged(f'expected {character!r}, found {self.peek()!r}')
        self.at += 1

    def closes(self, character: str) -> bool:
        """Pass a comma, or the character that closes."""
        closed = self.peek() == character
        self.take(character if closed else ',')
        return closed

    def value(self) -> Any:
        """Parse the value here."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if len(self.text) - self.at > LONGEST or not self._more():
                    raise self._damaged(error.msg) from error
                continue
            # A number before the window's end may go on behind it: '-1' of '-1.' too.
            if self.text[end : end + 1] in AFTER_VALUE or not self._more():
                self.at = end
                return value

    def items(self) -> Iterator[Any]:
        """The items of the array here, one at a time."""
        self.take('[')
        closed = self.peek() == ']'
        self.at += closed
        while not closed:
            yield self.value()
            closed = self.closes(']')

    def _more(self) -> bool:
        try:
            text = self.file.read(CHUNK)
        except UnicodeDecodeError as error:
            raise self._damaged(str(error)) from error
        self.before += self.at
        self.text, self.at = self.text[self.at :] + text, 0
        return bool(text)

    def _damaged(self, why: str) -> UserError:
        return UserError(
            f'{self.path}: not valid JSON ({why}, at character '
            f'{self.before + self.at}); the file is truncated or damaged, download it '
            'again'
        )
