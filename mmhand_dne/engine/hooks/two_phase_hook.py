"""Training in two phases: the baseline first, then the refinement on it."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from mmhand_dne.errors import UserError

from ..runner.distributed import unwrapped


@HOOKS.register_module()
class TwoPhaseHook(Hook):
    """Train the baseline without the refinement, then the refinement alone.

    Until ``begin`` a ``HandMeshEstimator`` leaves its ``refine_head`` out, which about
    doubles the speed. From then on the named parts are frozen: no gradient, and
    evaluation mode (running statistics and dropout rest). Distributed training needs
    ``model_wrapper_cfg=dict(type='MMDistributedDataParallel',
    find_unused_parameters=True)``.

    Args:
        modules: parts of the model to freeze in the second phase.
        begin: first epoch (from 0) of the second phase.

    Example:
        >>> custom_hooks = [dict(type='TwoPhaseHook', begin=12,
        ...                      modules=['backbone', 'neck'])]
    """

    def __init__(self, modules: Sequence[str], begin: int):
        self.modules, self.begin = tuple(modules), begin

    def before_train(self, runner: Runner) -> None:
        """Refuse what the model does not have, before any step."""
        model = unwrapped(runner.model)
        known = [name for name, _ in model.named_children()]
        for name in (*self.modules, 'refine_head'):
            if name not in known:
                raise UserError(
                    f'TwoPhaseHook: the model has no part {name!r}; choose from {known}'
                )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set the phase, here since validation puts the model back to training mode."""
        model = unwrapped(runner.model)
        model.refines_in_training = runner.epoch >= self.begin
        if not model.refines_in_training:
            return
        for name in self.modules:
            part = getattr(model, name)
            if part.training:
                part.requires_grad_(False).eval()
