"""Give pycocotools the name ``xtcocotools`` while MMPose is imported.

Only where xtcocotools does not load, see :mod:`.coco_tools`. Only the standard library
is imported here, so that ``tools/check_env.py`` can load this file by its path.
"""

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from types import ModuleType

XT, PY = 'xtcocotools', 'pycocotools'


def loading_problem(package: str) -> str | None:
    """Why ``package`` does not load, in one line; None if it does.

    xtcocotools compiled for NumPy 1 prints a page of advice beside NumPy 2, which is
    kept back: the answer says it.

    Args:
        package: ``'xtcocotools'`` or ``'pycocotools'``.
    """
    before = set(sys.modules)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module(f'{package}.mask')
    except Exception as error:  # a binary of another NumPy may raise anything
        for name in set(sys.modules) - before:
            if name.partition('.')[0] == package:  # half imported
                del sys.modules[name]
        return f'{type(error).__name__}: {error}'.splitlines()[0]
    return None


@contextlib.contextmanager
def coco_names() -> Iterator[str | None]:
    """While open, ``import xtcocotools`` gives the real package or our classes.

    Yields: None where the real one loads or neither does, else why it does not.
    """
    problem = loading_problem(XT)
    if problem is None or loading_problem(PY) is not None:
        yield None
        return
    names = _modules()
    sys.modules.update(names)
    try:
        yield problem
    finally:
        for name, module in names.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _modules() -> dict[str, ModuleType]:
    """``xtcocotools`` and its three modules, on pycocotools."""
    from . import coco_tools

    package = ModuleType(XT, f'{PY} under the name of {XT}.')
    package.__path__ = []
    package.coco, package.cocoeval = (
        ModuleType(f'{XT}.coco'),
        ModuleType(f'{XT}.cocoeval'),
    )
    package.coco.COCO = coco_tools.COCO
    package.cocoeval.COCOeval = coco_tools.COCOeval
    package.mask = importlib.import_module(f'{PY}.mask')
    parts = {
        f'{XT}.{name}': getattr(package, name) for name in ('coco', 'cocoeval', 'mask')
    }
    return {XT: package, **parts}
