"""MMEngine's and MMCV's question for compiled operators, on Python 3.14.

Symptom: both ask ``pkgutil.find_loader('mmcv._ext')``, which Python 3.14 removed, so
that a training stops before its first step with "module 'pkgutil' has no attribute
'find_loader'".
Versions: mmengine 0.10.7, mmcv and mmcv-lite 2.1.0, onedl-mmcv 2.3.6; Python 3.14.
Can go when they ask ``importlib.util.find_spec``; one that does is left alone.
"""

import importlib.util
import pkgutil
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any

import mmcv.utils.ext_loader
import mmengine.utils.dl_utils.misc

ASKING = (mmcv.utils.ext_loader, mmengine.utils.dl_utils.misc)


def find_loader(name: str) -> Any:
    """The loader of a module, None if there is none; the module is not imported.

    Args:
        name: dotted; the packages above the module are imported.

    Raises:
        ImportError: a package above it is not there.
    """
    spec: ModuleSpec | None = importlib.util.find_spec(name)
    return spec.loader if spec else None


def install_extension_lookup() -> None:
    """Let them find the function under its old name; ``pkgutil`` stays as it is."""
    if hasattr(pkgutil, 'find_loader'):
        return
    for module in ASKING:
        if hasattr(module, 'pkgutil'):
            module.pkgutil = SimpleNamespace(find_loader=find_loader)
