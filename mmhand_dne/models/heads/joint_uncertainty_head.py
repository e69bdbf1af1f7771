"""Error bars of a hand model's joints, from one token per hand."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import pad

from mmhand_dne.conventions import OPENPOSE_JOINTS
from mmhand_dne.errors import UserError
from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.gaussian.joint_gaussian import JointGaussian
from mmhand_dne.models.layers.transformer_decoder import CrossAttentionDecoder
from mmhand_dne.structures.hand_targets import HandTargets

FRAMES = CAMERA, HAND = 'camera', 'hand'
ALIGNED_UNIT = 0.02  # metres: a trained model's root-relative error, to start from


@MODELS.register_module()
class JointUncertaintyHead(BaseModule):
    """A Gaussian per hand around the joints that another head predicts (CAU).

    Args:
        in_channels: d_x, channels of the token; with ``decoder`` of its output.
        covariance: a part such as :class:`CorrelatedCovariance`; ``in_channels``,
            ``dim`` and ``num_slots`` are filled in.
        decoder: arguments of :class:`CrossAttentionDecoder`, to read a token of its
            own from the feature map as the papers do (one hand per image); None takes
            the token of the head that predicts the joints.
        loss: such as :class:`CorrelatedGaussianNLLLoss`; unused by
            DeterministicCovariance.
        num_joints: J, OpenPose order, the wrist first.
        dims: coordinates per joint.
        aligned: True: the J - 1 joints besides the wrist, relative to it, d = 60; the
            wrist's residual is 0 by construction and a density over it diverges.
            False: the released code's frame, d = 63: ground truth in the camera against
                a
            prediction in the MANO frame without the camera's translation.
        num_slots: S; parameters common to all images, such as W, are one set per slot.
        image_loss: True: hands whose joints are annotated in the image only (photos)
            teach too, by the NLL of their joints across the line of sight, with depth
            integrated out. Needs ``aligned`` and 3 ``dims``.
        frame: axes in which the parts of ``covariance`` are: 'camera', the papers', or
            'hand', ours: those of the predicted wrist, so that one W means the same of
            hands that point anywhere. Needs 3 ``dims``. What :meth:`gaussian` gives is
            in the camera's either way.

    Where ``covariance`` names no ``unit`` it is 0.02 (metres) if aligned, else 1, which
    is also what converted weights need.

    Example:
        >>> head = JointUncertaintyHead(256, dict(type='CorrelatedCovariance'))
        >>> params = head(torch.randn(4, 1, 256))
        >>> hand = head.gaussian(params, joints)  # joints (4, 1, 21, 3) from the wrist
        >>> hand.covariance().shape, head.joint_std(hand).shape
        (torch.Size([4, 1, 60, 60]), torch.Size([4, 1, 21]))
    """

    def __init__(
        self,
        in_channels: int = 1024,
        covariance: dict = dict(type='CorrelatedCovariance'),
        decoder: dict | None = None,
        loss: dict = dict(type='CorrelatedGaussianNLLLoss'),
        num_joints: int = len(OPENPOSE_JOINTS),
        dims: int = 3,
        aligned: bool = True,
        num_slots: int = 1,
        image_loss: bool = False,
        frame: str = CAMERA,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if image_loss and not (aligned and dims == 3):
            raise UserError(
                'JointUncertaintyHead: image_loss needs aligned=True and dims=3; its '
                'joints are compared in the image, from the wrist'
            )
        if frame not in FRAMES or (frame == HAND and (image_loss or dims != 3)):
            raise UserError(
                f"JointUncertaintyHead: frame={frame!r} is 'camera' or 'hand', 'hand' "
                'with dims=3 and without image_loss, whose depth is not known'
            )
        self.image_loss, self.in_hand = image_loss, frame == HAND
        self.aligned, self.num_joints = aligned, num_joints
        dim = (num_joints - aligned) * dims
        unit = ALIGNED_UNIT if aligned else 1.0
        self.covariance = MODELS.build(
            {
                'unit': unit,
                **covariance,
                'in_channels': in_channels,
                'dim': dim,
                'dims': dims,
                'num_slots': num_slots,
            }
        )
        self.decoder = None
        if decoder is not None:
            self.decoder = self._build_decoder(in_channels, decoder, num_slots)
        self.nll_loss = None
        if self.covariance.probabilistic:
            self.nll_loss = MODELS.build({'dims': dims, **loss})

    def _build_decoder(
        self, in_channels: int, decoder: dict, num_slots: int
    ) -> nn.Module:
        if num_slots != 1 or not self.covariance.probabilistic:
            raise UserError(
                'JointUncertaintyHead: a decoder reads one token per image, for a '
                'covariance that uses it; leave decoder out with '
                f'num_slots={num_slots} and {type(self.covariance).__name__}'
            )
        return CrossAttentionDecoder(**{'embed_dims': in_channels, **decoder})

    def forward(
        self, token: Tensor | None = None, features: Tensor | None = None
    ) -> CovarianceParams:
        """Parameters with leading dims (B, S).

        Args:
            token: (B, S, d_x), unused with a decoder.
            features: (B, C, h, w), for the decoder only.
        """
        if self.decoder is not None:
            if features is None:
                raise UserError('JointUncertaintyHead with a decoder needs features')
            token = self.decoder(features)[:, None]
        elif token is None:
            raise UserError(
                'JointUncertaintyHead got no token: the head that predicts the joints '
                'has none; give uncertainty_head a decoder of its own'
            )
        return self.covariance(token)

    def gaussian(
        self,
        params: CovarianceParams,
        joints: Tensor,
        root: Tensor | None = None,
        axes: Tensor | None = None,
    ) -> JointGaussian:
        """The density around joints (B, S, J, 3) metres from the wrist.

        Args:
            root: (B, S, 3) the wrist in the MANO frame, if not aligned.
            axes: (B, S, 3, 3) from the hand's axes to the camera's, the wrist's
                predicted rotation, for ``frame='hand'``.
        Returns: (B, S), joints 1..J-1 if aligned, else all; in the camera's axes.
        """
        hands = self.covariance.gaussian(params, self.mean(joints, root))
        if not self.in_hand:
            return hands
        blocks = hands.root.unflatten(-2, (-1, 3))  # (B, S, K, 3, d)
        turned = self._axes(axes).to(blocks)[..., None, :, :] @ blocks
        return hands._replace(root=turned.flatten(-3, -2))

    def loss(
        self,
        params: CovarianceParams,
        joints: Tensor,
        targets: HandTargets,
        root: Tensor | None = None,
        camera: Tensor | None = None,
        axes: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """``loss_nll``, with ``image_loss`` also ``loss_image_nll``; nothing for
        DeterministicCovariance.

        Args:
            joints, root, axes: as in :meth:`gaussian`.
            camera: (B, S, 2, 2) of the joints, for ``image_loss``.
            targets: with the slots S of the joints. Joints without ground truth are
                integrated out, hands without any add nothing.
        """
        if self.nll_loss is None:
            return {}
        gt, visible = targets.joints, targets.joints_valid
        if self.aligned:
            gt, visible = gt[..., 1:, :], visible[..., 1:]
        else:
            gt = gt + targets.root_cam[..., None, :]
            visible = visible * targets.root_valid[..., None]
        mean = self.mean(joints, root)
        if self.in_hand:
            # Rows times R are columns times R^T; to be likely is no reason to turn.
            axes = self._axes(axes).detach()
            gt, mean = gt.to(mean) @ axes, mean @ axes
        losses = dict(loss_nll=self.nll_loss(params, mean, gt, visible))
        if self.image_loss:
            gt, visible = across_line_of_sight(targets, mean, camera)
            losses['loss_image_nll'] = self.nll_loss(params, mean, gt, visible)
        return losses

    def mean(self, joints: Tensor, root: Tensor | None = None) -> Tensor:
        """(B, S, K, 3) the joints that the covariance is about, in its frame."""
        if joints.shape[-2] != self.num_joints:
            raise UserError(
                f'JointUncertaintyHead: {joints.shape[-2]} joints, '
                f'expected num_joints={self.num_joints}'
            )
        if self.aligned:
            return joints[..., 1:, :]
        if root is None:
            raise UserError(
                'JointUncertaintyHead(aligned=False) needs root, the '
                'wrist in the MANO frame (HandState.root)'
            )
        return joints + root[..., None, :]

    def _axes(self, axes: Tensor | None) -> Tensor:
        if axes is None:
            raise UserError(
                "JointUncertaintyHead(frame='hand') needs axes, the wrist's predicted "
                'rotation (CoarseHands.rotations)'
            )
        return axes

    def joint_std(self, hands: JointGaussian) -> Tensor:
        """(B, S, J) metres, root of the trace of a joint's block; aligned: wrist 0."""
        return pad(hands.joint_std(), (1 if self.aligned else 0, 0))


def across_line_of_sight(
    targets: HandTargets, mean: Tensor, camera: Tensor
) -> tuple[Tensor, Tensor]:
    """The joints of hands that are annotated in the image only, in metres.

    The scaled orthographic camera takes displacements from the wrist in the image to
    metres across the line of sight. Its scale is taken as it is: no gradient.

    Args:
        mean: (B, S, 20, 3) metres from the wrist; its depth stands in the result.
        camera: (B, S, 2, 2) rows (scale, shift) for x and y.
    Returns: (B, S, 20, 3) joints, and (B, S, 20, 3) whether a coordinate is known: x
        and y of visible joints of hands with a visible wrist and no joint in 3D.
    """
    scale = camera[..., None, :, 0].detach()  # (B, S, 1, 2)
    seen = targets.joints_ndc
    flat = (seen[..., 1:, :] - seen[..., :1, :]) / scale
    shown = targets.joints_ndc_valid * targets.joints_ndc_valid[..., :1]
    shown = shown * ~(targets.joints_valid > 0).any(-1, keepdim=True)
    known = pad(shown[..., 1:, None].expand(*flat.shape[:-1], 2), (0, 1))
    return torch.cat([flat, mean[..., 2:].detach()], -1), known
