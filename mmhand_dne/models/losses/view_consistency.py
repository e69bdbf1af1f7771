"""A photo and the same photo turned show the same hand."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import WRIST
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.rotation import matrix_from_axis_angle, sixd_from_matrix
from mmhand_dne.randomness.keys import fold_in, uniform_from_keys
from mmhand_dne.structures.hand_state import CoarseHands
from mmhand_dne.structures.hand_targets import HandTargets

from .masked_loss import masked_mean
from .mesh_losses import l1_distance

VIEW_STREAM = 7002  # tells these draws from those of noise
LEAST_COUNT = 1e-6


@MODELS.register_module()
class ViewConsistency(nn.Module):
    """The hand regressed from a crop and from the same crop turned have to agree.

    Photos have landmarks only: nothing tells how deep a joint lies. But turned about
    the crop's middle, the camera turns about its optical axis, and the hand has to be
    the same: pose and shape, except for the global rotation, its joints in space and
    its projection, once turned back. Ours; neither paper has it.

    Of the two views the one whose hand lies closer to the photo's own 2D joints is held
    still, and the other learns from it [decided]: it has read the photo better, and
    the mean of both would spoil it; the 2D joints are the one witness that no view has
    a share in. It is the regressor's hand that is compared. What follows it is no part:
    hands that follow landmarks have no gradient, DNE's stages draw noise.

    A mirrored view says nothing more: a model of one hand sees left hands mirrored
    already, so that the mirrored crop of a left hand is its crop; and what tells the
    side or presence is not trained in it, nor is a mirrored hand an absent one.

    Hands count that are known to be there and have neither a mesh nor joints in space.
    One crop is turned where a batch has none, so that each of several processes does
    alike. A training part: it has no weights.

    Args:
        angle: largest turn, degrees either way.
        lambda_theta, lambda_beta: on rotations in 6D and on betas.
        lambda_3d: on joints from the wrist, metres.
        lambda_2d: on the joints' projection, NDC.
        loss_weight: on all of it.
        with_3d: whether hands with a mesh or joints in space count as well.

    Raises:
        UserError: an angle that is not in (0, 180] or a negative weight.

    Example:
        >>> consistency = ViewConsistency(angle=30.0, loss_weight=0.5)
    """

    def __init__(
        self,
        angle: float = 30.0,
        lambda_theta: float = 1.0,
        lambda_beta: float = 0.1,
        lambda_3d: float = 50.0,
        lambda_2d: float = 3.0,
        loss_weight: float = 1.0,
        with_3d: bool = False,
    ) -> None:
        super().__init__()
        weights = dict(
            loss_theta=lambda_theta,
            loss_beta=lambda_beta,
            loss_joints=lambda_3d,
            loss_joints_2d=lambda_2d,
        )
        if not 0 < angle <= 180 or not min(loss_weight, *weights.values()) >= 0:
            raise UserError(
                f'ViewConsistency: angle={angle}, loss_weight={loss_weight}, lambdas '
                f'{list(weights.values())}; give an angle above 0 and at most 180 '
                'degrees, and weights from 0 on'
            )
        self.angle, self.with_3d = angle, with_3d
        self.weights = {name: loss_weight * w for name, w in weights.items()}

    def forward(
        self,
        hands: CoarseHands,
        targets: HandTargets,
        inputs: Tensor,
        regress: Callable[[Tensor], CoarseHands],
        keys: np.ndarray | None = None,
        black: Tensor | float = 0.0,
    ) -> dict[str, Tensor]:
        """``view.loss_*``, weighted.

        Args:
            hands: regressed from the crops, (B, S, ...).
            targets: ground truth; of it what is known, and joints in the image.
            inputs: (B, 3, H, W) the normalised crops.
            regress: from crops to hands.
            keys: (B,) int64 of the angles; None draws from torch's generator.
            black: (3, 1, 1) or a number: what is black in ``inputs``.
        Raises:
            UserError: the inputs are no crops, but features of such.
        """
        if inputs.ndim != 4:
            raise UserError(
                f'ViewConsistency turns crops (B, 3, H, W), not inputs of shape '
                f'{tuple(inputs.shape)}; remove consistency from a model that reads '
                'cached features'
            )
        counts = self.counting(targets)
        rows = counts.any(1).nonzero()[:, 0]
        rows = rows if len(rows) else rows.new_zeros(1)
        angles = self.angles(len(inputs), inputs.device, keys)[rows]
        second = regress(turned_crops(inputs[rows], angles, black))
        with torch.autocast(inputs.device.type, enabled=False):
            size = inputs.shape[:1:-1]
            first = _described(hands, torch.zeros_like(angles), size, rows)
            second = _described(second, angles, size)
            seen = targets.joints_ndc[rows], targets.joints_ndc_valid[rows]
            stays = _error(first, *seen) <= _error(second, *seen)
            return self.compare(first, second, stays, counts[rows])

    def counting(self, targets: HandTargets) -> Tensor:
        """(B, S) bool: hands that are compared."""
        there = (targets.presence > 0) & (targets.presence_valid > 0)
        if self.with_3d:
            return there
        known = (targets.mano_valid > 0) | (targets.vertices_valid > 0)
        return there & ~known & ~(targets.joints_valid > 0).any(-1)

    def angles(
        self, count: int, device: torch.device, keys: np.ndarray | None = None
    ) -> Tensor:
        """(B,) radians, uniform up to the largest turn either way."""
        if keys is None:
            uniform = torch.rand(count, device=device)
        else:
            uniform = uniform_from_keys(fold_in(keys, VIEW_STREAM), 1)[:, 0]
            # Without blocking: the device may still be busy with the step before.
            uniform = torch.from_numpy(np.float32(uniform)).to(
                device, non_blocking=True
            )
        return torch.deg2rad((2 * uniform - 1) * self.angle)

    def compare(
        self,
        first: dict[str, Tensor],
        second: dict[str, Tensor],
        stays: Tensor,
        counts: Tensor,
    ) -> dict[str, Tensor]:
        """The losses between two views, in one frame.

        Args:
            first, second: fields (B, S, ...) by loss.
            stays: (B, S) bool, where the first view is held still; else the second.
            counts: (B, S) bool.
        """
        losses = {}
        for name, weight in self.weights.items():
            here, there = first[name], second[name]
            still = stays.reshape(*stays.shape, *[1] * (here.dim() - stays.dim()))
            held = torch.where(still, here.detach(), there.detach())
            moved = torch.where(still, there, here)
            mean = masked_mean(l1_distance(moved, held), counts)
            losses[f'view.{name}'] = weight * mean
        return losses


def turns(angles: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3): points of the camera as the turned crop's sees them.

    The crop's frame turns clockwise, as in :class:`HaMeRCrop`, its content the other
    way: X' = R X with R = [[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]].
    """
    return matrix_from_axis_angle(F.pad(-angles[:, None], (2, 0)))


def turned_crops(
    images: Tensor, angles: Tensor, outside: Tensor | float = 0.0
) -> Tensor:
    """Crops cut anew with their frames turned about the middle, bilinear.

    Args:
        images: (B, C, H, W), pixel centres at integers; the middle is (W - 1) / 2.
        angles: (B,) radians, see :func:`turns`.
        outside: value beyond the crops' borders, to broadcast with them.
    Returns: (B, C, H, W).
    """
    height, width = images.shape[-2:]
    # From the turned crop's pixels to the given one's; grids have NDC along each axis.
    back = turns(angles)[:, :2, :2].transpose(1, 2)
    ratio = height / width
    back = back * back.new_tensor([[1, ratio], [1 / ratio, 1]])
    grid = F.affine_grid(
        F.pad(back, (0, 1)).to(images.dtype), list(images.shape), align_corners=False
    )
    return F.grid_sample(images - outside, grid, align_corners=False) + outside


def _described(
    hands: CoarseHands, angles: Tensor, size: tuple, rows: Tensor | None = None
) -> dict[str, Tensor]:
    """What is compared of hands (B, S, ...), turned back by (B,) radians, by loss.

    Args:
        size: (W, H) of the crops, pixels.
        rows: of the batch, all by default.
    """
    state = hands.state
    fields = hands.rotations, hands.betas, state.joints, state.camera
    if rows is not None:
        fields = [field[rows] for field in fields]
    rotations, betas, joints, camera = fields
    back = turns(angles).to(joints.dtype).transpose(1, 2)  # (B, 3, 3)
    world = back[:, None, None] @ rotations[..., :1, :, :]
    rotations = torch.cat([world, rotations[..., 1:, :, :]], -3)
    sides = joints.new_tensor(size)
    points = project(joints, camera) * sides  # half pixels from the middle
    points = points @ back[:, None, :2, :2].transpose(-1, -2) / sides
    joints = joints - joints[..., WRIST : WRIST + 1, :]
    return dict(
        loss_theta=sixd_from_matrix(rotations),
        loss_beta=betas,
        loss_joints=joints @ back[:, None].transpose(-1, -2),
        loss_joints_2d=points,
    )


def _error(view: dict[str, Tensor], seen: Tensor, valid: Tensor) -> Tensor:
    """(B, S) mean distance of a view's points to the joints seen in the image, NDC."""
    apart = (view['loss_joints_2d'].detach() - seen).norm(dim=-1) * valid
    return apart.sum(-1) / valid.sum(-1).clamp(min=LEAST_COUNT)
