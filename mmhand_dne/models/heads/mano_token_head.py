"""A coarse hand from the pooled token of a hand-landmark network."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import (
    NUM_BETAS,
    NUM_JOINTS,
    NUM_ROTATIONS,
    OPENPOSE_JOINTS,
    UPRIGHT_HAND,
)
from mmhand_dne.geometry.camera import pixels_to_ndc
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import matrix_from_6d, sixd_from_matrix
from mmhand_dne.hand_model import build_single_hand
from mmhand_dne.models.layers.landmark_readout import LandmarkReadout
from mmhand_dne.models.losses.coarse_terms import CoarseTerms
from mmhand_dne.structures.hand_landmarks import HandLandmarks
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets

WORLD_UNIT = 0.1  # metres; landmarks offered to the perceptron are of size about 1
CAMERA = 3  # numbers: log of a factor of the scale, shift x, shift y
# The networks' fingertips are points inside the pads: they do not fix the camera.
FIXING = [i for i, name in enumerate(OPENPOSE_JOINTS) if name[-1] != '4']
START = 0.05  # factor on the last layer's first weights: the mean hand, nearly


@MODELS.register_module()
class MANOTokenHead(BaseModule):
    """Regress MANO and a camera of one hand from a landmark network's token.

    The token is the mean of the trunk's last map. A perceptron reads it, normalised,
    beside the 21 landmarks in the crop and in metres that the network's own linear
    layers read out of it: those tell where the hand is, the token how it looks. The
    pose is the hand's mean pose, upright in the crop, plus the regressed 6D. The camera
    is the one, with one scale, that brings the regressed joints closest to those
    landmarks (least squares), changed a little by three regressed numbers [decided].
    The readout is not trained: it knows real hands.

    Presence is what the network's own layer says of the crop: it has learned what is no
    hand.

    Args:
        in_channels: C of the map.
        hand_model: :class:`SingleHand` or its config.
        crop_size: side of the crop, pixels, that the landmarks are of.
        hidden_channels: of the perceptron.
        dropout: of the perceptron's first layer.
        readout: arguments of :class:`LandmarkReadout`, such as ``init_cfg``.
        read_channels: the map's last channels, which the readout reads; None: all.
            :class:`TwinHandNet` has the untrained network's there.
        least_scale: of the camera, NDC per metre.
        lambda_theta, lambda_beta: weights of DNE Eq. 10.
        mesh_terms: arguments of :class:`MeshTerms`; the coarse mesh is supervised like
            a stage of DNE.

    Example:
        >>> head = MANOTokenHead(1152, dict(type='SingleHand'))
        >>> coarse = head(torch.rand(2, 1152, 7, 7))
        >>> coarse.state.vertices.shape, coarse.token.shape
        (torch.Size([2, 1, 778, 3]), torch.Size([2, 1, 512]))
    """

    tells_presence = True

    def __init__(
        self,
        in_channels: int,
        hand_model: dict | nn.Module,
        crop_size: int = 224,
        hidden_channels: int = 512,
        dropout: float = 0.2,
        readout: dict | None = None,
        read_channels: int | None = None,
        least_scale: float = 1.0,
        lambda_theta: float = 1.0,
        lambda_beta: float = 0.1,
        mesh_terms: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.hand_model = build_single_hand(hand_model, 'MANOTokenHead')
        self.crop_size, self.least_scale = crop_size, least_scale
        self.read_channels = read_channels or in_channels
        self.readout = LandmarkReadout(self.read_channels, **(readout or {}))
        self.readout.requires_grad_(False)
        self.norm = nn.LayerNorm(in_channels)
        landmarks = 2 * 3 * NUM_JOINTS  # in the crop and in space
        self.perceptron = nn.Sequential(
            nn.Linear(in_channels + landmarks, hidden_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(inplace=True),
        )
        self.sizes = (6 * NUM_ROTATIONS, NUM_BETAS, CAMERA)
        self.numbers = nn.Linear(hidden_channels, sum(self.sizes))
        mean = self.hand_model.mean_rotations.clone()  # (1, 16, 3, 3)
        # What a square that is turned with the hand mostly holds.
        mean[:, 0] = torch.from_numpy(UPRIGHT_HAND)
        self.register_buffer('mean_pose', sixd_from_matrix(mean), persistent=False)
        self.terms = CoarseTerms(lambda_theta, lambda_beta, mesh_terms)
        self.reset_readout()

    def reset_readout(self) -> None:
        """Start close to the mean hand."""
        nn.init.zeros_(self.numbers.bias)
        with torch.no_grad():
            self.numbers.weight.mul_(START)

    def forward(self, features: Tensor) -> CoarseHands:
        """Features (B, in_channels, h, w) -> the hand in slot 0 of (B, 1, ...)."""
        token = features.mean((-2, -1))
        read = self.readout(token[:, -self.read_channels :])
        points, world = self.scaled(read)
        places = torch.cat([points.flatten(1), world.flatten(1)], -1)
        hidden = self.perceptron(torch.cat([self.norm(token), places], -1))
        with torch.autocast(features.device.type, enabled=False):
            hidden, points = at_least_fp32(hidden), at_least_fp32(points)
            numbers = self.numbers(hidden)[:, None]  # (B, 1, 109)
            pose, betas, raw = numbers.split(self.sizes, -1)
            rotations_6d = self.mean_pose + pose.unflatten(-1, (NUM_ROTATIONS, 6))
            rotations = matrix_from_6d(rotations_6d)
            mesh = self.hand_model(rotations, betas)
            camera = self.camera(raw, mesh.joints, points[:, None, :, :2])
        return CoarseHands(
            HandState(mesh.vertices, mesh.joints, torch.zeros_like(mesh.root), camera),
            rotations_6d,
            rotations,
            betas,
            presence_logits=at_least_fp32(read.presence_logits)[:, None],
            pooled=token[:, None],
            token=hidden[:, None],
            landmarks_ndc=points[:, None, :, :2],
        )

    def scaled(self, read: HandLandmarks) -> tuple[Tensor, Tensor]:
        """Landmarks of size about 1: points of the crop, -1 to 1, with their depth, and
        points in space, (B, 21, 3) each.
        """
        size = self.crop_size
        pixels, depth = read.points.split([2, 1], -1)
        depth = depth / (size / 2)
        points = torch.cat([pixels_to_ndc(pixels, (size, size)), depth], -1)
        return points, read.world / WORLD_UNIT

    def camera(self, raw: Tensor, joints: Tensor, points: Tensor) -> Tensor:
        """The camera that sees the joints at the landmarks, as the numbers change it.

        Args:
            raw: (B, 1, 3) numbers.
            joints: (B, 1, 21, 3) metres, from the wrist.
            points: (B, 1, 21, 2) landmarks, crop NDC.
        Returns: (B, 1, 2, 2) rows (scale, shift) for x and y.
        """
        flat, seen = joints[..., FIXING, :2], points[..., FIXING, :]
        flat_middle, middle = flat.mean(-2), seen.mean(-2)
        flat, seen = flat - flat_middle[..., None, :], seen - middle[..., None, :]
        scale = (flat * seen).sum((-1, -2)) / flat.square().sum((-1, -2)).clamp(1e-6)
        scale = scale.clamp(min=self.least_scale)[..., None] * raw[..., :1].exp()
        shift = middle - scale * flat_middle + raw[..., 1:]
        return torch.stack([scale.expand(-1, -1, 2), shift], -1)

    def loss(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """Eq. 10 on the parameters, Eq. 11's terms on the coarse mesh."""
        return {
            **self.terms.of_parameters(coarse, targets),
            **self.terms.of_mesh(coarse, targets),
        }
