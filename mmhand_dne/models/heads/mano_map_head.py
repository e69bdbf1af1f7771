"""The baseline regressor: MANO parameters read out of maps."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import matrix_from_6d, sixd_from_matrix
from mmhand_dne.geometry.sampling import softmax_readout
from mmhand_dne.models.layers.positions import with_positions
from mmhand_dne.models.losses.mesh_terms import MeshTerms
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets

from .hand_model_arg import build_hand_model

# The mean of a map over its cells differs little from image to image; at gain 1 an
# optimiser's step of 1e-3 would need thousands of them to turn a hand around.
READOUT_GAIN = 10.0
POSE, SHAPE, CAMERA, PRESENCE = slice(0, 96), slice(96, 106), slice(106, 110), 110


@MODELS.register_module()
class MANOMapHead(BaseModule):
    """Regress MANO parameters and a camera for each hand (DNE Sec. 3.1, after ACR).

    Convolutions predict a map for every number and attention maps; each group of
    numbers is the mean of its maps under the softmax of its attention map: one for a
    joint, one for the shape, one for the camera, one for the presence, per hand
    [decided]. The convolutions also see where they are, since a mean over the map
    forgets it [decided]. The hand model turns the parameters into the coarse meshes.

    The pose is the hand's mean pose plus the regressed 6D, the camera's scale is
    ``scale_0 exp(raw)`` [decided]: training starts at a plausible hand on the image.

    Args:
        in_channels: channels of the features.
        hand_model: :class:`HandPair` or its config.
        mid_channels: channels of the convolution block.
        scale_0: start of the camera's scale, NDC per metre.
        norm_cfg: normalisation of the block.
        lambda_theta, lambda_beta: weights of Eq. 10.
        lambda_presence: weight of the presence logits' cross-entropy [decided].
        mesh_terms: arguments of :class:`MeshTerms`; the coarse mesh is supervised like
            a stage, with the same weights [decided].

    Example:
        >>> head = MANOMapHead(32, hand_model=dict(type='HandPair'))
        >>> coarse = head(torch.rand(2, 32, 64, 64))
        >>> coarse.state.vertices.shape, coarse.state.camera.shape
        (torch.Size([2, 2, 778, 3]), torch.Size([2, 2, 2, 2]))
    """

    def __init__(
        self,
        in_channels,
        hand_model,
        mid_channels=128,
        scale_0=8.0,
        norm_cfg=dict(type='BN'),
        lambda_theta=1.0,
        lambda_beta=0.1,
        lambda_presence=0.1,
        mesh_terms: dict | None = None,
        init_cfg=None,
    ):
        super().__init__(init_cfg)
        self.hand_model = build_hand_model(hand_model)
        self.scale_0 = scale_0
        self.trunk = ConvModule(
            in_channels + 2, mid_channels, 3, padding=1, norm_cfg=norm_cfg
        )
        self.parameter_maps = nn.Conv2d(mid_channels + 2, 2 * 111, 1)
        self.attention_maps = nn.Conv2d(mid_channels, 2 * 19, 1)
        # Attention map of each of a hand's numbers: 16 joints, shape, camera, presence.
        group = [
            *(joint for joint in range(16) for _ in range(6)),
            *[16] * 10,
            *[17] * 4,
            18,
        ]
        self.register_buffer('group', torch.tensor(group), persistent=False)
        self.mesh_terms = MeshTerms(**(mesh_terms or {}))
        self.loss_theta = MODELS.build(
            dict(type='MaskedL1Loss', loss_weight=lambda_theta)
        )
        self.loss_beta = MODELS.build(
            dict(type='MaskedL1Loss', loss_weight=lambda_beta)
        )
        self.loss_presence = MODELS.build(
            dict(type='PresenceLoss', loss_weight=lambda_presence)
        )
        self.reset_readout()

    def reset_readout(self) -> None:
        """Start at the mean pose, mean shape and a centred camera of scale_0."""
        nn.init.normal_(self.parameter_maps.weight, std=1e-3)
        nn.init.zeros_(self.parameter_maps.bias)

    def init_weights(self) -> None:
        """As MMEngine's, without touching the read-out's start."""
        super().init_weights()
        self.reset_readout()

    def read_parameters(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The 111 numbers a hand, and features pooled by the same attention.

        Args:
            features: (B, C, h, w).
        Returns: (B, S, 111) pose, shape, camera, presence; (B, S, C).
        """
        trunk = with_positions(self.trunk(with_positions(features)))
        attention = self.attention_maps(trunk[:, :-2]).unflatten(1, (2, 19))
        # The mean of a 1x1 convolution's map is the convolution of the mean: pooling
        # first gives the same numbers without ever making the 222 maps.
        means = softmax_readout(
            trunk[:, None], attention.flatten(1, 2), shared=True
        )  # (B, 38, C)
        means = means.unflatten(1, (2, 19))[:, :, self.group]  # (B, S, 111, C)
        weight = self.parameter_maps.weight.flatten(1).unflatten(0, (2, 111))
        bias = self.parameter_maps.bias.unflatten(0, (2, 111))
        numbers = READOUT_GAIN * ((means * weight).sum(-1) + bias)
        focus = attention[:, :, :16].flatten(3).softmax(-1).mean(2)
        pooled = torch.einsum('bhn,bcn->bhc', focus, features.flatten(2))
        return numbers, pooled

    def forward(self, features: Tensor) -> CoarseHands:
        """Features (B, in_channels, h, w) -> coarse hands."""
        numbers, pooled = self.read_parameters(features)
        with torch.autocast(features.device.type, enabled=False):
            numbers = at_least_fp32(numbers)
            mean = sixd_from_matrix(self.hand_model.mean_rotations).to(numbers.dtype)
            rotations_6d = mean + numbers[..., POSE].unflatten(-1, (16, 6))
            rotations = matrix_from_6d(rotations_6d)
            betas = numbers[..., SHAPE]
            raw = numbers[..., CAMERA].unflatten(-1, (2, 2))
            camera = torch.stack(
                [self.scale_0 * raw[..., 0].clamp(max=5).exp(), raw[..., 1]], -1
            )
            mesh = self.hand_model(rotations, betas)
        state = HandState(
            mesh.vertices, mesh.joints, torch.zeros_like(mesh.root), camera
        )
        return CoarseHands(
            state, rotations_6d, rotations, betas, numbers[..., PRESENCE], pooled
        )

    def loss(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """Eq. 10 on the parameters, Eq. 11's terms on the coarse mesh, presence."""
        target_6d = sixd_from_matrix(targets.rotations)
        state = coarse.state
        losses = dict(
            loss_theta=self.loss_theta(
                coarse.rotations_6d, target_6d, targets.mano_valid
            ),
            loss_beta=self.loss_beta(coarse.betas, targets.betas, targets.mano_valid),
            loss_presence=self.loss_presence(
                coarse.presence_logits, targets.presence, targets.presence_valid
            ),
        )
        terms = self.mesh_terms(
            state.vertices[:, None],
            project(state.vertices, state.camera)[:, None],
            state.joints[:, None],
            project(state.joints, state.camera)[:, None],
            targets,
        )
        losses.update({f'coarse.{name}': value for name, value in terms.items()})
        return losses
