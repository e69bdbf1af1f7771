"""One set of running statistics for all processes."""

from mmengine.dist import all_reduce_params, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch.nn.modules.batchnorm import _NormBase


@HOOKS.register_module()
class SyncNormBuffersHook(Hook):
    """Averages batch-norm statistics over processes before they are used or saved.

    Unlike MMEngine's ``SyncBuffersHook`` it leaves every other buffer alone: a hand
    model's arrays are constants, integers among them. It also acts before a
    checkpoint inside an epoch, so that all processes resume with what they had.
    """

    def after_train_epoch(self, runner: Runner) -> None:
        """Average at the end of an epoch, before validation."""
        self.prepare_checkpoint(runner)

    def prepare_checkpoint(self, runner: Runner) -> None:
        """Average; called in every process."""
        if get_world_size() == 1:
            return
        norms = [
            module
            for module in runner.model.modules()
            if isinstance(module, _NormBase) and module.running_mean is not None
        ]
        statistics = [
            buffer
            for module in norms
            for buffer in (module.running_mean, module.running_var)
        ]
        if statistics:
            all_reduce_params(statistics, op='mean')
