"""Waiting for the first import of other packages, without importing them.

A finder in front of Python's own sees each import that is not done yet. Those that it
watches run as ever; when the outermost of them is through, what waited for it runs.
"""

import importlib.abc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


class FirstImport(importlib.abc.MetaPathFinder):
    """Runs something before, and something after the first import of some modules.

    Args:
        foreign: names of modules of others.
        own: whether a name is that of a module of ours which needs ``before``.
        before: runs before the code of the first own module.
        after: runs once, when no watched module is still being imported; a failure
            makes the import fail that it came after, and the next one tries again.
    """

    def __init__(
        self,
        foreign: Sequence[str],
        own: Callable[[str], bool],
        before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:
        self.foreign, self.own = foreign, own
        self.before, self.after = before, after
        self.depth = 0  # of watched modules inside each other, whose code runs now
        self.prepared = False

    def start(self) -> None:
        """Begin to watch; without waiting where a foreign module is there already."""
        if any(name in sys.modules for name in self.foreign):
            self.after()
        else:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, its loader watched; None for other modules."""
        if name not in self.foreign and not self.own(name):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = WatchedLoader(spec.loader, self)
                return spec
        return None

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """The context in which the code of a watched module runs."""
        self.depth += 1
        try:
            if self.own(name) and not self.prepared:
                self.before()
                self.prepared = True
            yield
        finally:
            self.depth -= 1
        if self.depth == 0 and self in sys.meta_path:
            sys.meta_path.remove(self)
            try:
                self.after()
            except BaseException:
                sys.meta_path.insert(0, self)
                raise


class WatchedLoader(importlib.abc.Loader):
    """A loader that tells a :class:`FirstImport` when a module's code runs."""

    def __init__(self, loader: importlib.abc.Loader, watch: FirstImport) -> None:
        self.loader, self.watch = loader, watch

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module as its own loader makes it."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code; it then has its own loader."""
        module.__loader__ = module.__spec__.loader = self.loader
        with self.watch.around(module.__name__):
            self.loader.exec_module(module)
