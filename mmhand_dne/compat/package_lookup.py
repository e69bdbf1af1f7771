"""MMEngine's look-up of installed packages without ``pkg_resources``.

Symptom: ``mmengine.utils.is_installed`` and ``get_installed_path`` import
``pkg_resources``, which setuptools 82 removed, so that no base ``mmpose::NAME`` of a
config resolves; where it is there, it is read again for every config.
Versions: mmengine 0.10.7. Can go when mmengine uses ``importlib.metadata``; a
mmengine that does keeps its own functions.
"""

import importlib.util
from importlib import metadata
from pathlib import Path

import mmengine.config.config
import mmengine.hub.hub
import mmengine.utils
from mmengine.utils import package_utils

from mmhand_dne.errors import UserError


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable package has this name.

    Args:
        package: what pip calls it, or its module.
    """
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return _folder(package) is not None
    return True


def get_installed_path(package: str) -> str:
    """Folder of a package, also of an editable install and of one on the path alone.

    Args:
        package: what pip calls it (``'mmcv-lite'``), or its module (``'mmcv'``).
    Returns: the absolute path.

    Raises:
        UserError: it is not installed, or is a namespace without a folder of its own.
    """
    folder = _folder(package2module(package))
    if folder is None:
        raise UserError(f'{package} is not installed here; run: pip install {package}')
    return folder


def package2module(package: str) -> str:
    """The module that a distribution brings: ``'mmcv-lite'`` gives ``'mmcv'``.

    Args:
        package: what pip calls it, or already the module.
    """
    try:
        listed = metadata.distribution(package).read_text('top_level.txt') or ''
    except metadata.PackageNotFoundError:
        return package
    names = listed.split()
    same = package.replace('-', '_')
    return names[0] if names and same not in names else same


def _folder(module: str) -> str | None:
    """Where a top-level module lies; None if there is none, or only a namespace."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).parent)


def install_package_lookup() -> None:
    """Put these in place of MMEngine's, wherever it has taken them to by name."""
    if 'pkg_resources' not in package_utils.is_installed.__code__.co_names:
        return
    for function in (is_installed, get_installed_path, package2module):
        name = function.__name__
        old = getattr(package_utils, name)
        for module in (
            package_utils,
            mmengine.utils,
            mmengine.config.config,
            mmengine.hub.hub,
        ):
            if getattr(module, name, None) is old:
                setattr(module, name, function)
