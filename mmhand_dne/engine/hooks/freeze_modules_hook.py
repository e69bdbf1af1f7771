"""Training in two phases: everything, then only what is left unfrozen."""
from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class FreezeModulesHook(Hook):
    """Freeze parts of the model from an epoch on.

    Frozen parts get no gradient and run in evaluation mode (running statistics and
    dropout rest too). Distributed training needs
    ``model_wrapper_cfg=dict(type='MMDistributedDataParallel',
    find_unused_parameters=True)``.

    Args:
        modules: names of the parts, as attributes of the model.
        begin: first epoch (from 0) that trains without them.

    Example:
        >>> custom_hooks = [dict(type='FreezeModulesHook', begin=12,
        ...                      modules=['backbone', 'neck'])]
    """

    def __init__(self, modules: Sequence[str], begin: int):
        self.modules, self.begin = tuple(modules), begin

    def before_train(self, runner) -> None:
        """Refuse names that the model does not have, before any step."""
        model = self._model(runner)
        known = [name for name, _ in model.named_children()]
        for name in self.modules:
            if name not in known:
                raise ValueError(
                    f'FreezeModulesHook: the model has no part {name!r}; choose from '
                    f'{known}'
                )

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Freeze once; validation puts the model back to training mode, hence again."""
        if runner.epoch < self.begin:
            return
        for name in self.modules:
            part = getattr(self._model(runner), name)
            if part.training:
                part.requires_grad_(False).eval()

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model
