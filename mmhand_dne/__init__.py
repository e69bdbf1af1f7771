"""Dual Noise Estimation for hand meshes, a plug-in of MMPose.

Importing it registers every class in MMPose's registries; a config needs only
``custom_imports = dict(imports=['mmhand_dne'])``. It costs nothing until MMPose,
MMEngine, MMCV or a part of this package is imported, before or after it: then all of it
is loaded at once. MMEngine reads a config's bases before its imports: with a tool that
does not import this package, a base of ours is
``_base_ = __import__('mmhand_dne').find_config('dne_interhand')``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .first_import import FirstImport
from .version import __version__

if TYPE_CHECKING:
    from . import (
        apis,
        compat,
        datasets,
        engine,
        evaluation,
        models,
        registry,
        visualization,
    )
    from .apis.config_names import find_config

__all__ = [
    '__version__',
    'apis',
    'compat',
    'datasets',
    'engine',
    'evaluation',
    'find_config',
    'models',
    'registry',
    'visualization',
]

OPENMMLAB = ('mmengine', 'mmcv', 'mmpose')
COMPAT = f'{__name__}.compat'
# Rooms whose modules import nothing of OpenMMLab: command-line tools read their flags
# with them, before what takes seconds.
LIGHT = (
    'cli',
    'conventions',
    'errors',
    'fileio',
    'first_import',
    'late_imports',
    'rendered_recipe',
    'version',
)


def _is_room(name: str) -> bool:
    """Whether a module's code needs MMPose to be importable."""
    package, _, room = name.partition('.')
    top = room and '.' not in room
    return bool(top) and package == __name__ and room not in (*LIGHT, 'compat')


def _install() -> None:
    """Make MMPose importable."""
    import_module(COMPAT).install()


def _load() -> None:
    """Import everything that registers something."""
    _install()
    for room in ('models', 'datasets', 'evaluation', 'engine', 'visualization', 'apis'):
        import_module(f'{__name__}.{room}')
    import_module(f'{__name__}.registry')


def __getattr__(name: str) -> object:
    if name == 'find_config':
        return import_module(f'{__name__}.apis.config_names').find_config
    if name in __all__:
        return import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


FirstImport((*OPENMMLAB, COMPAT), _is_room, _install, _load).start()
