# Copyright (c) mmhand_dne contributors. Licensed under Apache-2.0.
"""Make ``_base_ = 'mmhand_dne::dne/NAME.py'`` resolve after ``import mmhand_dne``.

Symptom: MMEngine resolves ``package::folder/name`` only for the packages in its own
table. Versions: mmengine 0.10.7 to 0.11. Can go when the table is open.
"""

from mmengine.config import utils as config_utils

PACKAGE = 'mmhand_dne'


def register_config_scope() -> None:
    """Add this package to MMEngine's table of packages with configs."""
    config_utils.MODULE2PACKAGE[PACKAGE] = PACKAGE
