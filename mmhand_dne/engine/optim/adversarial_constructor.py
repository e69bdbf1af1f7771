"""Two optimisers: the discriminator's, and that of everything else."""

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from mmpose.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmhand_dne.errors import UserError

JUDGE = 'discriminator'


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AdversarialOptimWrapperConstructor:
    """Build ``generator`` and ``discriminator`` wrappers of one kind.

    Args:
        optim_wrapper_cfg: of both; its key ``discriminator`` holds what differs there,
            such as ``dict(optimizer=dict(lr=1e-4))``.
        paramwise_cfg: of the generator, as in MMEngine.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.config = dict(optim_wrapper_cfg)
        self.changes = dict(self.config.pop(JUDGE, None) or {})
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        if is_model_wrapper(model):
            raise UserError(
                'AdversarialOptimWrapperConstructor: training with a discriminator '
                f'runs in one process, found a {type(model).__name__}; start it '
                'without a launcher'
            )
        parts = dict(model.named_children())
        if JUDGE not in parts:
            raise UserError(
                f'AdversarialOptimWrapperConstructor: {type(model).__name__} has no '
                "discriminator; use model.type='AdversarialHandMeshEstimator'"
            )
        judge, rest = parts.pop(JUDGE), nn.Module()
        for name, part in parts.items():
            rest.add_module(name, part)
        optimizer = {**self.config['optimizer'], **self.changes.get('optimizer', {})}
        changed = {**self.config, **self.changes, 'optimizer': optimizer}
        return OptimWrapperDict(
            generator=DefaultOptimWrapperConstructor(
                dict(self.config), self.paramwise_cfg
            )(rest),
            discriminator=DefaultOptimWrapperConstructor(changed)(judge),
        )
