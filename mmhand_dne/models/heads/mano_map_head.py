"""The baseline regressor: MANO parameters read out of maps."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_BETAS, NUM_ROTATIONS, SIDES
from mmhand_dne.geometry.camera import axis_factors
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import matrix_from_6d, sixd_from_matrix
from mmhand_dne.geometry.sampling import softmax_readout
from mmhand_dne.hand_model import build_hand_model
from mmhand_dne.models.layers.positions import with_positions
from mmhand_dne.models.losses.coarse_terms import CoarseTerms
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets

# The mean of a map over its cells differs little from image to image; at gain 1 an
# optimiser's step of 1e-3 would need thousands of them to rotate a hand by half a
# circle.
READOUT_GAIN = 10.0
# What is read for each hand, in this order: how many attention maps, and how many
# numbers under each of them.
READ_OUT = {
    'pose': (NUM_ROTATIONS, 6),
    'shape': (1, NUM_BETAS),
    'camera': (1, 4),
}
SIZES = {name: maps * numbers for name, (maps, numbers) in READ_OUT.items()}
NUM_MAPS = sum(maps for maps, _ in READ_OUT.values())
NUM_NUMBERS = sum(SIZES.values())
NUM_HANDS = len(SIDES)


@MODELS.register_module()
class MANOMapHead(BaseModule):
    """Regress MANO parameters and a camera for each hand (DNE, after ACR).

    Convolutions predict a map for every number and attention maps; each group of
    numbers is the mean of its maps under the softmax of its attention map: one per
    joint, one for the shape, one for the camera, of each hand [decided]. The
    convolutions also see where they are, since a mean over the map forgets it
    [decided]. The hand model turns the parameters into the coarse meshes. Whether a
    hand is there is read by :class:`PresenceReadout`.

    The pose is the hand's mean pose plus the regressed 6D, the camera's scale is
    ``scale_0 exp(raw)`` [decided]: training starts at a plausible hand on the image,
    with as many pixels a metre along both axes.

    Args:
        in_channels: channels of the features.
        hand_model: :class:`HandPair` or its config.
        mid_channels: channels of the convolution block.
        scale_0: start of the camera's scale along the shorter side, NDC per metre.
        norm_cfg: normalisation of the block.
        lambda_theta, lambda_beta: weights of Eq. 10.
        lambda_presence: weight of the presence logits' cross-entropy [decided].
        mesh_terms: arguments of :class:`MeshTerms`; the coarse mesh is supervised like
            a stage, with the same weights [decided].
        presence: config of what reads presence from the features; it gets
            ``in_channels``, ``mid_channels`` and ``norm_cfg``.

    Example:
        >>> head = MANOMapHead(32, hand_model=dict(type='HandPair'))
        >>> coarse = head(torch.rand(2, 32, 64, 64))
        >>> coarse.state.vertices.shape, coarse.state.camera.shape
        (torch.Size([2, 2, 778, 3]), torch.Size([2, 2, 2, 2]))
    """

    def __init__(
        self,
        in_channels: int,
        hand_model: dict | nn.Module,
        mid_channels: int = 128,
        scale_0: float = 8.0,
        norm_cfg: dict = dict(type='BN'),
        lambda_theta: float = 1.0,
        lambda_beta: float = 0.1,
        lambda_presence: float = 0.1,
        mesh_terms: dict | None = None,
        presence: dict = dict(type='PresenceReadout'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.hand_model = build_hand_model(hand_model)
        self.scale_0 = scale_0
        self.trunk = ConvModule(
            in_channels + 2, mid_channels, 3, padding=1, norm_cfg=norm_cfg
        )
        self.parameter_maps = nn.Conv2d(mid_channels + 2, NUM_HANDS * NUM_NUMBERS, 1)
        self.attention_maps = nn.Conv2d(mid_channels, NUM_HANDS * NUM_MAPS, 1)
        # The attention map of each of a hand's numbers.
        sizes = [numbers for maps, numbers in READ_OUT.values() for _ in range(maps)]
        group = torch.arange(NUM_MAPS).repeat_interleave(torch.tensor(sizes))
        self.register_buffer('group', group, persistent=False)
        self.terms = CoarseTerms(lambda_theta, lambda_beta, mesh_terms)
        self.loss_presence = MODELS.build(
            dict(type='PresenceLoss', loss_weight=lambda_presence)
        )
        convs = dict(
            in_channels=in_channels, mid_channels=mid_channels, norm_cfg=norm_cfg
        )
        self.presence = MODELS.build(convs | presence)
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
        """The numbers of each hand, and features pooled by the same attention.

        Args:
            features: (B, C, h, w).
        Returns: (B, S, 110) pose, shape, camera as in ``READ_OUT``; (B, S, C)
            features under the mean attention of the joints.
        """
        # Where to look for each group of numbers.
        trunk = with_positions(self.trunk(with_positions(features)))
        attention = self.attention_maps(trunk[:, :-2])
        # The mean of a 1x1 convolution's map is the convolution of the mean: pooling
        # first gives the same numbers without ever making the 220 maps.
        means = softmax_readout(trunk[:, None], attention, shared=True)
        means = means.unflatten(1, (NUM_HANDS, NUM_MAPS))[:, :, self.group]
        # That convolution, each number with its own row: (B, S, 110, C) -> (B, S, 110).
        rows = (NUM_HANDS, NUM_NUMBERS)
        weight = self.parameter_maps.weight.flatten(1).unflatten(0, rows)
        bias = self.parameter_maps.bias.unflatten(0, rows)
        numbers = READOUT_GAIN * ((means * weight).sum(-1) + bias)
        # What the image shows of the hand as a whole, for its error bars.
        joints = attention.unflatten(1, (NUM_HANDS, NUM_MAPS))[:, :, :NUM_ROTATIONS]
        focus = joints.flatten(3).softmax(-1).mean(2)
        pooled = torch.einsum('bhn,bcn->bhc', focus, features.flatten(2))
        return numbers, pooled

    def forward(self, features: Tensor) -> CoarseHands:
        """Features (B, in_channels, h, w) -> coarse hands."""
        numbers, pooled = self.read_parameters(features)
        presence = at_least_fp32(self.presence(features))
        with torch.autocast(features.device.type, enabled=False):
            numbers = at_least_fp32(numbers)
            pose, betas, raw = numbers.split(list(SIZES.values()), -1)
            mean = sixd_from_matrix(self.hand_model.mean_rotations).to(numbers.dtype)
            rotations_6d = mean + pose.unflatten(-1, READ_OUT['pose'])
            rotations = matrix_from_6d(rotations_6d)
            raw = raw.unflatten(-1, (2, 2))
            scale = self.scale_0 * raw[..., 0].clamp(max=5).exp()
            camera = torch.stack([self.along_axes(scale, features), raw[..., 1]], -1)
            mesh = self.hand_model(rotations, betas)
        state = HandState(
            mesh.vertices, mesh.joints, torch.zeros_like(mesh.root), camera
        )
        return CoarseHands(state, rotations_6d, rotations, betas, presence, pooled)

    @staticmethod
    def along_axes(scale: Tensor, features: Tensor) -> Tensor:
        """Scales (B, S, 2) of the shorter side's NDC as those of x and y, for a crop
        of the features' shape.
        """
        height, width = features.shape[-2:]
        if height == width:
            return scale
        factors = axis_factors(min(height, width), (width, height))
        return scale * scale.new_tensor(factors)

    def loss(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """Eq. 10 on the parameters, Eq. 11's terms on the coarse mesh, presence."""
        return {
            **self.terms.of_parameters(coarse, targets),
            'loss_presence': self.loss_presence(
                coarse.presence_logits, targets.presence, targets.presence_valid
            ),
            **self.terms.of_mesh(coarse, targets),
        }
