"""Make ``_base_ = 'mmhand_dne::dne/NAME.py'`` resolve after ``import mmhand_dne``.

Symptoms: MMEngine resolves ``package::folder/name`` only for the packages of its own
table; and it looks for an editable install (PEP 660) in site-packages, where that
leaves no folder; and it takes no name without a folder, as ``dne_interhand.py`` is.
Versions: mmengine 0.10.7 to 0.11. Can go when the table is open and the folder is
taken from ``find_spec``.
"""

from functools import wraps
from pathlib import Path

import mmengine.config.config as config_module
import mmengine.hub.hub as hub_module
from mmengine.config.utils import MODULE2PACKAGE

PACKAGE = 'mmhand_dne'
PACKAGE_PATH = Path(__file__).resolve().parent.parent


def register_config_scope() -> None:
    """Tell MMEngine that this package has configs, in ``PACKAGE_PATH / '.mim'``."""
    if PACKAGE in MODULE2PACKAGE:
        return
    MODULE2PACKAGE[PACKAGE] = PACKAGE
    for module in (config_module, hub_module):
        module.get_installed_path = know_this_package(module.get_installed_path)
        module._get_package_and_cfg_path = take_names_alone(
            module._get_package_and_cfg_path
        )


def know_this_package(get_installed_path):
    """Wrap MMEngine's look-up so that it answers for this package from here."""

    @wraps(get_installed_path)
    def wrapped(package: str) -> str:
        return str(PACKAGE_PATH) if package == PACKAGE else get_installed_path(package)

    return wrapped


def take_names_alone(get_package_and_cfg_path):
    """Wrap MMEngine's reading of a name: one of ours needs no folder in it."""

    @wraps(get_package_and_cfg_path)
    def wrapped(path: str) -> tuple[str, str]:
        package, _, name = path.partition('::')
        if package == PACKAGE and name and '/' not in name:
            return package, name
        return get_package_and_cfg_path(path)

    return wrapped
