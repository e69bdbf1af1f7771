"""Two switches that change how long a training step takes, and only its rounding."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import channels_last as CHANNELS_LAST
from torch import nn

from mmhand_dne.errors import UserError

from ..runner.distributed import unwrapped

# What is made of convolutions and linear maps alone, in the names of our estimators.
COMPILED = ('backbone', 'neck', 'aux_head', 'mano_head', 'head')


@HOOKS.register_module()
class SpeedHook(Hook):
    """Lay convolutions out with channels last, or compile the parts made of them.

    Both change the model in place when training begins: names of parameters, and with
    them parameter groups and checkpoints, stay what they are. MMEngine's own
    ``compile=True`` compiles ``train_step`` whole, data samples and logging included.

    Args:
        channels_last: weights of 2D convolutions in that order; what they compute
            follows.
        compile: options of ``torch.compile``, ``dict()`` for its defaults, for the
            parts of :data:`COMPILED` that the model has; None leaves them alone.

    Example:
        >>> custom_hooks = [dict(type='SpeedHook', channels_last=True, compile={})]
    """

    def __init__(
        self, channels_last: bool = False, compile: dict | None = None
    ) -> None:
        if not channels_last and compile is None:
            raise UserError(
                'SpeedHook would change nothing; set channels_last=True or '
                'compile=dict(), or leave the hook out'
            )
        self.channels_last, self.compile = channels_last, compile

    def before_train(self, runner: Runner) -> None:
        """Change the model, after its weights have been loaded."""
        network = unwrapped(runner.model)
        if self.channels_last:
            for part in network.modules():
                if isinstance(part, nn.Conv2d):
                    part.to(memory_format=CHANNELS_LAST)
        if self.compile is None:
            return
        parts = dict(network.named_children())
        known = [name for name in COMPILED if name in parts]
        if not known:
            raise UserError(
                f'SpeedHook: the model has none of the parts {list(COMPILED)} that '
                f'can be compiled, only {list(parts)}; leave compile out'
            )
        for name in known:
            parts[name].compile(**self.compile)
