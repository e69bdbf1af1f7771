"""What a user says of some images of an input, by their names or numbers."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Generic, TypeVar

Value = TypeVar('Value')


class ByImage(Generic[Value]):
    """Values of images.

    Args:
        values: by an image's number from 0, its path, however that is written, or its
            file name.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values

    @cached_property
    def _by_path(self) -> dict[str, str]:
        return {os.path.abspath(key): key for key in self.values}

    def key_of(self, index: int, source: str) -> str | None:
        """Under which an image is named; None where it is not."""
        for key in (str(index), source, os.path.basename(source)):
            if key in self.values:
                return key
        return self._by_path.get(os.path.abspath(source))

    @property
    def named(self) -> str:
        """What is named, in words."""
        if not self.values:
            return 'none'
        first, *others = map(repr, self.values)
        return f'{first} and {len(others)} more' if others else first
