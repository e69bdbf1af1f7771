"""Modules of other packages that our tools may import late, or never.

Symptom: MMPose and MMEngine import SciPy's statistics (for one augmentation),
matplotlib's figures, torch's sharded training (which brings SymPy) and a formatter of
configs wherever they are imported: half of the CPU's time from the demo's command to
the first hand.
Versions: mmpose 1.3.2, mmengine 0.10.7, onedl-mmengine 0.10.12, torch 2.13.0.
Can go when they import these where they use them.

A late module is loaded, whole and real, when something takes an attribute from it;
only the names listed here wait further, until they are used. Tools that infer ask for
it; in a program that imports this package nothing is late.
"""

import importlib.abc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# Module: what is taken from it by name while MMPose is imported. The last three
# register a class each, which only a training looks for.
LATE_MODULES = {
    'scipy.io': ('loadmat',),
    'scipy.stats': ('truncnorm',),
    'matplotlib.pyplot': (),
    'matplotlib.collections': ('PatchCollection',),
    'matplotlib.patches': ('Polygon',),
    'yapf.yapflib.yapf_api': ('FormatCode',),
    'mmengine.optim.optimizer.zero_optimizer': ('ZeroRedundancyOptimizer',),
    'mmengine.model.wrappers.fully_sharded_distributed': (
        'MMFullyShardedDataParallel',
    ),
    'mmengine._strategy.fsdp': ('FSDPStrategy',),
}


class LateName:
    """Stands for a class or a function of a module until something uses it.

    Args:
        module: dotted name of the module that has it.
        name: its name there.
    """

    def __init__(self, module: str, name: str) -> None:
        self._late = module, name

    def _real(self) -> Any:
        module, name = self._late
        return getattr(import_module(module), name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the real one returns."""
        return self._real()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple) -> tuple[type]:
        """A class with this as its base has the real one."""
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._real())

    def __or__(self, other: Any) -> Any:
        return self._real() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._real()


class LateModule(ModuleType):
    """A module whose code has not run; its attributes are the real module's."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        give_way(self)
        return getattr(import_module(self.__name__), name)


def give_way(module: LateModule) -> None:
    """Let the next import of this name find the real module."""
    parent, _, short = module.__name__.rpartition('.')
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
    if parent in sys.modules and vars(sys.modules[parent]).get(short) is module:
        delattr(sys.modules[parent], short)


class LateFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds late modules, each once, where Python would find the real ones.

    Args:
        modules: their names, and what is taken from each by name.
    """

    def __init__(self, modules: Mapping[str, Sequence[str]]) -> None:
        self.left = dict(modules)
        self.made: list[LateModule] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A late module; None where it is not listed, not there, or had its turn."""
        real = PathFinder.find_spec(name, path) if name in self.left else None
        if real is None:
            return None
        spec = ModuleSpec(name, self, origin=real.origin)
        # Of a package: modules inside it are found as ever.
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> LateModule:
        """The module without its code."""
        return LateModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give it the names that are taken from it."""
        name = module.__name__
        vars(module).update((n, LateName(name, n)) for n in self.left.pop(name))
        self.made.append(module)


@contextmanager
def late_imports(
    modules: Mapping[str, Sequence[str]] = LATE_MODULES,
) -> Iterator[None]:
    """While it is open, these modules are imported late; what is there already stays.

    Afterwards every import finds the real ones.

    Args:
        modules: their names, and what is taken from each by name.
    """
    finder = LateFinder(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for module in finder.made:
            give_way(module)
