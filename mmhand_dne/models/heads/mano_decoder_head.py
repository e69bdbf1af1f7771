"""HaMeR's head: one token reads the image and gives a hand."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_BETAS, NUM_ROTATIONS
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import matrix_from_6d, sixd_from_matrix
from mmhand_dne.geometry.weak_perspective import (
    CROP,
    FOCAL,
    Size,
    official_origin,
    orthographic_camera,
    project_hamer,
    translation_from_weak_camera,
)
from mmhand_dne.hand_model import build_single_hand
from mmhand_dne.models.layers.transformer_decoder import CrossAttentionDecoder
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets

# Half a rotation about x: the camera's y points down where MANO's points up. The mean
# parameters that HaMeR shares hold this rotation in another layout of the 6D, which
# in ours has two parallel columns and no direction.
INITIAL_ROOT = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


@MODELS.register_module()
class MANODecoderHead(BaseModule):
    """Regress MANO and a camera of one hand from a decoder's token (HaMeR Sec. 3).

    Linear readouts of the token are added to a mean hand: the buffers ``init_pose``,
    ``init_betas``, ``init_cam``, which a converted checkpoint overwrites. By default
    they are the hand model's mean pose facing the camera, betas 0 and a camera
    whose crop is half a metre wide at the hand (HaMeR's 4).

    The state's orthographic camera agrees with HaMeR's perspective one to first order;
    ``joints_ndc`` and ``weak_camera`` are HaMeR's own. There is no presence: a crop is
    of one hand, so the logit is infinite.

    Args:
        in_channels: C of the features.
        hand_model: :class:`SingleHand` or its config, which also chooses the joints:
            'kinematic' with tips 'smplx' for HaMeR's weights.
        decoder: arguments of :class:`CrossAttentionDecoder`.
        init_cam: s, t_x, t_y to start from: NDC per metre, metres.
        focal: of the crop's conventional camera, pixels.
        image_size: side of the crop or its (width, height), pixels.
        official_camera: HaMeR's, for its weights: the camera's axis is at pixel
            ``image_size`` / 2, and an inferred hand has the depth that the scale gives
            to the origin of MANO's frame. Else the axis is in the crop's middle, half a
            pixel beside it, and the mesh as a whole is placed where it is seen.
        loss: such as :class:`HaMeRLoss`.

    Example:
        >>> head = MANODecoderHead(32, dict(type='SingleHand'),
        ...                        decoder=dict(embed_dims=64, depth=2))
        >>> coarse = head(torch.rand(2, 32, 8, 8))
        >>> coarse.state.vertices.shape, coarse.token.shape
        (torch.Size([2, 1, 778, 3]), torch.Size([2, 1, 64]))
    """

    def __init__(
        self,
        in_channels: int,
        hand_model: dict | nn.Module,
        decoder: dict | None = None,
        init_cam: tuple[float, float, float] = (4.0, 0.0, 0.0),
        focal: float = FOCAL,
        image_size: int | tuple[int, int] = CROP,
        official_camera: bool = False,
        loss: dict = dict(type='HaMeRLoss'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.hand_model = build_single_hand(hand_model, 'MANODecoderHead')
        self.focal = focal
        # A tuple in a config file may come as a list.
        whole = isinstance(image_size, int)
        self.image_size = image_size if whole else tuple(image_size)
        self.official_camera = official_camera
        self.decoder = CrossAttentionDecoder(
            **{'context_channels': in_channels, **(decoder or {})}
        )
        channels = self.decoder.pos_embed.shape[-1]
        self.fc_pose = nn.Linear(channels, 6 * NUM_ROTATIONS)
        self.fc_shape = nn.Linear(channels, NUM_BETAS)
        self.fc_cam = nn.Linear(channels, 3)
        pose = sixd_from_matrix(self.hand_model.mean_rotations)  # (1, 16, 6)
        pose[:, 0] = torch.tensor(INITIAL_ROOT)
        self.register_buffer('init_pose', pose.flatten(1))
        self.register_buffer('init_betas', torch.zeros(1, NUM_BETAS))
        self.register_buffer('init_cam', torch.tensor([init_cam]))
        self.loss_module = MODELS.build(loss)
        self.reset_readout()

    @property
    def origin(self) -> Size:
        """NDC of the crop camera's axis, along x and along y, or of a square both."""
        return official_origin(self.image_size) if self.official_camera else 0.0

    def reset_readout(self) -> None:
        """Start close to the mean hand."""
        for layer in (self.fc_pose, self.fc_shape, self.fc_cam):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> CoarseHands:
        """Features (B, in_channels, h, w) -> the hand in slot 0 of (B, 1, ...)."""
        token = self.decoder(features)
        with torch.autocast(features.device.type, enabled=False):
            token = at_least_fp32(token)
            pose = self.fc_pose(token) + self.init_pose
            rotations_6d = pose.unflatten(-1, (1, NUM_ROTATIONS, 6))
            rotations = matrix_from_6d(rotations_6d)
            betas = (self.fc_shape(token) + self.init_betas)[:, None]
            camera = (self.fc_cam(token) + self.init_cam)[:, None]  # (B, 1, 3)
            mesh = self.hand_model(rotations, betas)
            joints_ndc = self.project(mesh.joints + mesh.root[..., None, :], camera)
            state = HandState(
                mesh.vertices,
                mesh.joints,
                mesh.root,
                orthographic_camera(camera, mesh.root, self.origin, self.image_size),
            )
        return CoarseHands(
            state,
            rotations_6d,
            rotations,
            betas,
            presence_logits=torch.full_like(camera[..., 0], torch.inf),
            pooled=features.mean((-2, -1))[:, None],
            weak_camera=camera,
            joints_ndc=joints_ndc,
            token=token[:, None],
        )

    def project(self, points: Tensor, camera: Tensor) -> Tensor:
        """HaMeR's perspective projection.

        Args:
            points: (B, 1, N, 3) metres, in the MANO frame.
            camera: (B, 1, 3) s, t_x, t_y.
        Returns: (B, 1, N, 2) crop NDC.
        """
        translation = translation_from_weak_camera(camera, self.focal, self.image_size)
        return project_hamer(
            points, translation, self.focal, self.image_size, self.origin
        )

    def loss(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """The terms of the loss, weighted; ``targets`` has the one slot."""
        return self.loss_module(coarse, targets)
