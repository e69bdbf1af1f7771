"""The scope ``mmhand_dne``: MMPose's registries under this package's name.

MMEngine writes ``_scope_='mmhand_dne'`` into whatever a config takes from
``_base_ = 'mmhand_dne::...'``, and looks for registries of that scope here.
"""

import mmpose.registry
from mmengine.registry import Registry

SCOPE = 'mmhand_dne'


def _child(parent: Registry) -> Registry:
    """A registry of our scope that holds what MMPose's holds, also from now on."""
    child = Registry(parent.name, parent=parent, scope=SCOPE, locations=[SCOPE])
    child._module_dict = parent.module_dict
    return child


REGISTRIES = [
    _child(value)
    for value in vars(mmpose.registry).values()
    if isinstance(value, Registry) and value.scope == 'mmpose'
]
