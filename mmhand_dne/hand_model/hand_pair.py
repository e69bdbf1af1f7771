"""Both hands of a sample as a module."""

from functools import lru_cache
from typing import NamedTuple

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import WRIST
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.hashes import tensor_hash
from mmhand_dne.geometry.precision import at_least_fp32

from .mano_layer import OWN, MANOLayer, matched
from .skinning import PairSkin


class HandMesh(NamedTuple):
    """Both hands of a batch; S = 2 slots, right and left."""

    vertices: Tensor  # (B, S, V, 3) metres, relative to the regressed wrist
    joints: Tensor  # (B, S, J, 3) metres, relative to the wrist, OpenPose order
    root: Tensor  # (B, S, 3) metres, the regressed wrist in the MANO frame


@MODELS.register_module()
class HandPair(nn.Module):
    """Both hand slots of a sample, relative to each hand's own wrist.

    Args:
        source: 'cc0' for the embedded hand, else a MANO file or folder, see
            :func:`load_hand`.
        tips: name of the fingertip vertices, see ``TIP_VERTICES``.
        backend: what skins the meshes, see :class:`MANOLayer`.

    Attributes:
        right, left (MANOLayer): the hands.
        faces (Tensor): (2, F, 3), wound outward on both sides.
        joint_regressor (Tensor): (2, 21, V), OpenPose order.
        mean_rotations (Tensor): (2, 16, 3, 3), the mean pose, global rotation identity.
        template (Tensor): (2, V, 3) metres, wrist-relative, mean pose with betas 0.

    Example:
        >>> pair = HandPair()
        >>> mesh = pair(pair.mean_rotations[None], torch.zeros(1, 2, 10))
        >>> mesh.vertices.shape, mesh.joints.shape
        (torch.Size([1, 2, 778, 3]), torch.Size([1, 2, 21, 3]))
    """

    def __init__(
        self, source: str = 'cc0', tips: str = 'interhand', backend: str = 'own'
    ) -> None:
        super().__init__()
        self.tips = tips
        self.name = HandName(str(source), tips, backend)
        self.right = MANOLayer('right', source, backend)
        self.left = MANOLayer('left', source, backend)
        hands = (self.right, self.left)
        self._keep('faces', [hand.faces for hand in hands])
        self._keep('joint_regressor', [hand.joint_regressor(tips) for hand in hands])
        self._keep('mean_rotations', [hand.mean_rotations for hand in hands])
        betas = torch.zeros(1, 2, self.right.layer.num_betas)
        template = self._relative(self._one_by_one(self.mean_rotations[None], betas))
        self._keep('template', list(template.vertices[0]))
        # smplx's layer has no form for both hands at once.
        self.skin = PairSkin([hand.layer for hand in hands]) if backend == OWN else None

    def _keep(self, name: str, values: list) -> None:
        self.register_buffer(name, torch.stack(values), persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> HandMesh:
        """Meshes and joints of both slots, in the hands' precision (no autocast).

        Args:
            rotations: (B, 2, 16, 3, 3) absolute, MANO joint order, global one first.
            betas: (B, 2, 10).
        """
        if self.skin is None:
            return self._relative(self._one_by_one(rotations, betas))
        self.right.check_inputs(rotations, betas)
        with torch.autocast(rotations.device.type, enabled=False):
            pose, shape = matched(rotations, betas, self.skin.v_template.dtype)
            return self._relative(self.skin(pose, shape)[0])

    def _one_by_one(self, rotations: Tensor, betas: Tensor) -> Tensor:
        """Vertices in the MANO frame, (B, 2, V, 3) metres, a hand after the other."""
        hands = enumerate((self.right, self.left))
        parts = [hand(rotations[:, slot], betas[:, slot]) for slot, hand in hands]
        return torch.stack(parts, dim=1)

    def _relative(self, vertices: Tensor) -> HandMesh:
        """Meshes in the MANO frame and what follows from them."""
        joints = self.regress_joints(vertices)
        root = joints[..., WRIST, :]
        origin = root[..., None, :]
        return HandMesh(vertices - origin, joints - origin, root)

    def regress_joints(self, vertices: Tensor) -> Tensor:
        """Joints of given meshes, (B, 2, V, 3) -> (B, 2, 21, 3), OpenPose order."""
        with torch.autocast(vertices.device.type, enabled=False):
            vertices = at_least_fp32(vertices)
            return self.joint_regressor.to(vertices) @ vertices


class HandName(NamedTuple):
    """Which hand labels are of: what tells one :class:`HandPair` from another."""

    source: str
    tips: str
    backend: str


@lru_cache(maxsize=8)
def named_pair(name: HandName, device: str = 'cpu') -> HandPair:
    """The hands of a name, built once in a process and for a device.

    Args:
        name: of a data set's hands, as its labels carry it.
        device: as in ``str(tensor.device)``.
    """
    return HandPair(*name).requires_grad_(False).to(device)


def hand_fingerprint(hand: nn.Module) -> str:
    """Which hand a :class:`HandPair` or ``SingleHand`` is, whatever its fingertips.

    Of the arrays as they were read, so that every machine finds the same.
    """
    layer = hand.right.layer
    return tensor_hash((layer.v_template, layer.shapedirs, layer.J_regressor))


def build_hand_model(hand_model: dict | nn.Module) -> nn.Module:
    """Build a hand model from its config; a module that heads share passes through."""
    if isinstance(hand_model, nn.Module):
        return hand_model
    return MODELS.build(hand_model)


def build_single_hand(hand_model: dict | nn.Module, reader: str) -> nn.Module:
    """:func:`build_hand_model` for what reads one hand.

    Args:
        reader: its name, for the error.
    Raises:
        ValueError: the model has two hands.
    """
    hand_model = build_hand_model(hand_model)
    count = len(hand_model.mean_rotations)
    if count != 1:
        raise UserError(
            f'{reader} reads one hand from a crop, but its hand_model has {count}; '
            "use hand_model=dict(type='SingleHand')"
        )
    return hand_model
