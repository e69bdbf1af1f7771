"""The landmark network beside a copy of it that is trained."""

import copy

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError

from .mediapipe_hand_net import LEVELS, MediaPipeHandNet, checked, run_blocks


@MODELS.register_module()
class TwinHandNet(MediaPipeHandNet):
    """A landmark network that learns and does not forget.

    Trained on renderings, the network reads renderings better and photos worse
    [measured]. So its upper part is there twice, as it was and trained; the lower part
    is shared and not trained.

    Args:
        frozen_levels: levels of the shared part, 1 to 3.

    Example:
        >>> net = TwinHandNet()
        >>> [tuple(level.shape[1:]) for level in net(torch.rand(1, 3, 224, 224))]
        [(24, 56, 56), (40, 28, 28), (112, 14, 14), (192, 7, 7), (2304, 7, 7)]
    """

    def __init__(self, frozen_levels: int = 2, init_cfg: dict | None = None) -> None:
        if not 1 <= frozen_levels < len(LEVELS):
            raise UserError(
                f'TwinHandNet: frozen_levels is {frozen_levels}, expected 1 to '
                f'{len(LEVELS) - 1}; use MediaPipeHandNet to train all or nothing'
            )
        super().__init__(frozen_levels, init_cfg)
        self.num_shared = LEVELS[frozen_levels - 1] + 1
        self.untrained = nn.ModuleDict(
            dict(
                blocks=copy.deepcopy(self.blocks[self.num_shared :]),
                last=copy.deepcopy(self.last),
            )
        ).requires_grad_(False)

    def init_weights(self) -> None:
        """As the base does; both copies begin equal."""
        super().init_weights()
        self.reset_untrained()

    def reset_untrained(self) -> None:
        """Make the untrained copy equal to the trained one."""
        upper = self.blocks[self.num_shared :]
        self.untrained['blocks'].load_state_dict(upper.state_dict())
        self.untrained['last'].load_state_dict(self.last.state_dict())

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """RGB crops in [0, 1], (B, 3, H, W) -> five maps.

        Returns: the levels with strides 4, 8, 16, 32 of the trained copy, and its last
            map above that of the untrained one, (B, 2 * 1152, H / 32, W / 32).
        Raises:
            ValueError: H or W is no multiple of 32.
        """
        shared = run_blocks(self.stem(checked(inputs)), self.blocks[: self.num_shared])
        trained, kept = (
            run_blocks(shared[-1], blocks, self.num_shared)
            for blocks in (self.blocks[self.num_shared :], self.untrained['blocks'])
        )
        last = [self.last(trained[-1]), self.untrained['last'](kept[-1])]
        return (*shared, *trained, torch.cat(last, 1))
