"""Training in two phases: the baseline first, then the refinement on it."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
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
        begin: first epoch (from 0) of the second phase; it has to come.
        by_epoch: False counts ``begin`` in iterations, as ``IterBasedTrainLoop`` does.

    Example:
        >>> custom_hooks = [dict(type='TwoPhaseHook', begin=12,
        ...                      modules=['backbone', 'neck'])]
    """

    def __init__(
        self, modules: Sequence[str], begin: int, by_epoch: bool = True
    ) -> None:
        self.modules, self.begin, self.by_epoch = tuple(modules), begin, by_epoch

    def before_train(self, runner: Runner) -> None:
        """Refuse what the model does not have or would never train, before any step."""
        model = unwrapped(runner.model)
        known = [name for name, _ in model.named_children()]
        for name in (*self.modules, 'refine_head'):
            if name not in known:
                raise UserError(
                    f'TwoPhaseHook: the model has no part {name!r}; choose from {known}'
                )
        _check_phase(runner, self.begin, self.by_epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set the phase, here since validation puts the model back to training mode."""
        model = unwrapped(runner.model)
        now = runner.epoch if self.by_epoch else runner.iter
        model.refines_in_training = now >= self.begin
        if not model.refines_in_training:
            return
        for name in self.modules:
            part = getattr(model, name)
            if part.training:
                part.requires_grad_(False).eval()


def _check_phase(runner: Runner, begin: int, by_epoch: bool) -> None:
    """Refuse a phase that never begins: its stages would stay as they were made."""
    loop = runner.train_loop
    if by_epoch and isinstance(loop, IterBasedTrainLoop):
        raise UserError(
            f'TwoPhaseHook.begin={begin} counts epochs, which {type(loop).__name__} '
            'does not; set by_epoch=False and begin in iterations'
        )
    end = loop.max_epochs if by_epoch else loop.max_iters
    unit = 'epochs' if by_epoch else 'iterations'
    if begin >= end:
        raise UserError(
            f'TwoPhaseHook.begin={begin} is never reached in {end} {unit}, so that the '
            f'refinement would not be trained; set it below {end} or remove the hook'
        )
