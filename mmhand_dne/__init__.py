"""Dual Noise Estimation for hand meshes, a plug-in of MMPose.

Importing it registers every class in MMPose's registries; a config needs only
``custom_imports = dict(imports=['mmhand_dne'])``.
"""

from . import compat
from .version import __version__

compat.install()  # before anything that imports MMPose

from . import apis, datasets, engine, evaluation, models, visualization  # noqa: E402

__all__ = [
    '__version__',
    'apis',
    'compat',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
