"""HaMeR's discriminator of hand poses and shapes, and its two least-squares losses."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_ROTATIONS
from mmhand_dne.errors import UserError

NUM_JUDGED = NUM_ROTATIONS - 1  # the global rotation is not judged


@MODELS.register_module()
class MANOPriorDiscriminator(BaseModule):
    """17 judgements of a hand: each of 15 joints, the shape, all joints together.

    Names of parameters are HaMeR's, so that its weights load.

    Example:
        >>> judge = MANOPriorDiscriminator()
        >>> judge(torch.eye(3).expand(4, 15, 3, 3), torch.zeros(4, 10)).shape
        torch.Size([4, 17])
    """

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.D_conv1 = nn.Conv2d(9, 32, 1)
        self.D_conv2 = nn.Conv2d(32, 32, 1)
        self.pose_out = nn.ModuleList(nn.Linear(32, 1) for _ in range(NUM_JUDGED))
        self.betas_fc1 = nn.Linear(10, 10)
        self.betas_fc2 = nn.Linear(10, 5)
        self.betas_out = nn.Linear(5, 1)
        self.D_alljoints_fc1 = nn.Linear(32 * NUM_JUDGED, 1024)
        self.D_alljoints_fc2 = nn.Linear(1024, 1024)
        self.D_alljoints_out = nn.Linear(1024, 1)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, rotations: Tensor, betas: Tensor) -> Tensor:
        """Judge hands; 1 is real.

        Args:
            rotations: (N, 15, 3, 3) relative to the parent joint, MANO's order.
            betas: (N, 10).
        Returns: (N, 17).
        """
        if rotations.shape[1:] != (NUM_JUDGED, 3, 3):
            raise UserError(
                f'MANOPriorDiscriminator: rotations are {tuple(rotations.shape)}, '
                f'expected (N, {NUM_JUDGED}, 3, 3) without the global one'
            )
        joints = rotations.flatten(-2).mT[..., None]  # (N, 9, 15, 1)
        joints = self.D_conv2(self.D_conv1(joints).relu()).relu()
        single = [out(joints[:, :, i, 0]) for i, out in enumerate(self.pose_out)]
        shape = self.betas_fc2(self.betas_fc1(betas).relu()).relu()
        together = self.D_alljoints_fc1(joints.flatten(1)).relu()
        together = self.D_alljoints_fc2(together).relu()
        return torch.cat(
            [*single, self.betas_out(shape), self.D_alljoints_out(together)], 1
        )


def generator_loss(fake: Tensor) -> Tensor:
    """Sum of (D - 1)^2 over judgements (B, 17), over the B hands."""
    return (fake - 1).square().sum() / len(fake)


def discriminator_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Sum of D(fake)^2 and of (D(real) - 1)^2, over the number of fake hands.

    HaMeR draws twice as many real hands as fake ones, which so weigh double.

    Args:
        fake, real: (B, 17), (N, 17).
    """
    return (fake.square().sum() + (real - 1).square().sum()) / len(fake)
