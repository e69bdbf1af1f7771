"""Parts of a model that rest while the others begin to learn."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn

from mmhand_dne.errors import UserError

from ..runner.distributed import unwrapped


@HOOKS.register_module()
class RestHook(Hook):
    """Leave pretrained parts alone until what is new beside them has learnt something.

    A new head's first gradients spoil a pretrained backbone, and without a gradient
    its steps are much faster. Distributed training needs
    ``model_wrapper_cfg=dict(type='MMDistributedDataParallel',
    find_unused_parameters=True)``.

    Args:
        modules: parts of the model that rest.
        end: first epoch (from 0) in which they are trained.

    Example:
        >>> custom_hooks = [dict(type='RestHook', modules=['backbone'], end=6)]
    """

    def __init__(self, modules: Sequence[str], end: int) -> None:
        self.modules, self.end = tuple(modules), end
        self.resting: list[nn.Parameter] = []

    def before_train(self, runner: Runner) -> None:
        """Refuse what the model does not have; note what would be trained."""
        parts = dict(unwrapped(runner.model).named_children())
        for name in self.modules:
            if name not in parts:
                raise UserError(
                    f'RestHook: the model has no part {name!r}; choose from '
                    f'{list(parts)}'
                )
        self.resting = [
            parameter
            for name in self.modules
            for parameter in parts[name].parameters()
            if parameter.requires_grad
        ]

    def before_train_epoch(self, runner: Runner) -> None:
        """Rest, or stop resting; once it has, another hook may freeze the parts."""
        if runner.epoch <= self.end:
            for parameter in self.resting:
                parameter.requires_grad_(runner.epoch == self.end)
