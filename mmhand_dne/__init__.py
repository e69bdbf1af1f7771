"""Dual Noise Estimation for hand meshes, a plug-in of MMPose.

Importing it registers every class in MMPose's registries; a config needs only
``custom_imports = dict(imports=['mmhand_dne'])``. MMEngine reads a config's bases
before its imports: with a tool that does not import this package, a base of ours is
``_base_ = __import__('mmhand_dne').find_config('dne_interhand')``.
"""

from . import compat
from .version import __version__

compat.install()  # before anything that imports MMPose

from . import (  # noqa: E402
    apis,
    datasets,
    engine,
    evaluation,
    models,
    registry,
    visualization,
)
from .apis.config_names import find_config  # noqa: E402

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
