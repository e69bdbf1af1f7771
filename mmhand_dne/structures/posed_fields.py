"""The fields of ``HAND_LABELS`` from what is known of the hands: the one place."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmhand_dne.conventions import MIRROR_POINTS, WRIST
from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.geometry.rotation import matrix_from_axis_angle

from .hand_parameters import HandParameters


class KnownHands(NamedTuple):
    """What is known of the hands of B crops, in their slots and the crops' camera axes.

    Masks are bool; what is not known is zero (rotations: identity).

    Attributes:
        mesh: (B, S, V, 3) metres from the mesh's own wrist.
        mesh_joints: (B, S, J, 3) metres, the mesh's joints from its wrist.
        mesh_root: (B, S, 3) metres from the camera, the mesh's wrist.
        mesh_valid: (B, S).
        joints: (B, S, J, 3) metres from the camera, as annotated.
        joints_valid: (B, S, J).
        rotations: (B, S, 16, 3, 3) absolute, MANO order, global first.
        betas: (B, S, 10).
        mano_valid: (B, S).
        presence, presence_valid: (B, S).
        intrinsics: (B, 3, 3) of the crop, pixels.
    """

    mesh: Tensor
    mesh_joints: Tensor
    mesh_root: Tensor
    mesh_valid: Tensor
    joints: Tensor
    joints_valid: Tensor
    rotations: Tensor
    betas: Tensor
    mano_valid: Tensor
    presence: Tensor
    presence_valid: Tensor
    intrinsics: Tensor


def label_fields(hands: KnownHands, size: tuple) -> dict[str, Tensor]:
    """All fields of ``HAND_LABELS``: joints are the mesh's where there is one.

    Args:
        size: (W, H) of the crops, pixels.
    Returns: tensors (B, ...) by name, masks bool.
    """
    mesh, valid = hands.mesh_valid, hands.joints_valid
    placed = mesh | valid[..., WRIST]
    joints = torch.where(
        mesh[..., None, None],
        hands.mesh_joints + hands.mesh_root[..., None, :],
        hands.joints,
    )
    root = torch.where(placed[..., None], joints[..., WRIST, :], 0)
    relative = valid & valid[..., WRIST, None]
    pixels = project_perspective(
        joints, hands.intrinsics[:, None], mesh[..., None] | valid
    )
    seen = valid & (joints[..., 2] > 0)
    return dict(
        hand_vertices=hands.mesh,
        hand_vertices_valid=mesh,
        hand_joints=torch.where(relative[..., None], joints - root[..., None, :], 0),
        hand_joints_valid=relative,
        hand_joints_ndc=torch.where(seen[..., None], pixels_to_ndc(pixels, size), 0),
        hand_joints_ndc_valid=seen,
        hand_root_cam=root,
        hand_root_valid=placed,
        mano_rotations=hands.rotations,
        mano_betas=hands.betas,
        mano_valid=hands.mano_valid,
        hand_presence=hands.presence,
        hand_presence_valid=hands.presence_valid,
        crop_intrinsics=hands.intrinsics,
    )


@torch.no_grad()
def posed_hands(parameters: HandParameters, pair: nn.Module) -> KnownHands:
    """Pose all hands of a batch in one call, each by the model of its own side.

    In float32, on the device of the parameters.

    Args:
        parameters: of B images.
        pair: :class:`HandPair` of the data set, on that device.
    """
    axes, mirrored = parameters.axes, _is_mirror(parameters.axes)
    turned = matrix_from_axis_angle(parameters.pose)
    mesh = pair(turned, parameters.betas)
    known = parameters.mano_valid > 0
    annotated = parameters.joints_valid > 0
    still = torch.eye(3, dtype=turned.dtype, device=turned.device)
    in_camera = _rotations_in_camera(turned, axes, mirrored)
    root = mesh.root + parameters.translation
    found = KnownHands(
        mesh=_where(known, _in_camera(mesh.vertices, axes)),
        mesh_joints=_where(known, _in_camera(mesh.joints, axes)),
        mesh_root=_where(known, _in_camera(root, axes)),
        mesh_valid=known,
        joints=_where(annotated, _in_camera(parameters.joints, axes)),
        joints_valid=annotated,
        rotations=torch.where(known[..., None, None, None], in_camera, still),
        betas=_where(known, parameters.betas),
        mano_valid=known,
        presence=parameters.presence,
        presence_valid=parameters.presence_valid,
        intrinsics=parameters.intrinsics,
    )
    slots = (
        torch.where(mirrored.view(-1, *[1] * (value.dim() - 1)), value.flip(1), value)
        for value in found[:-1]
    )
    return KnownHands(*slots, found.intrinsics)


def _is_mirror(axes: Tensor) -> Tensor:
    """(B, 3, 3) -> (B,) bool: whether right and left changed places."""
    x, y, z = axes.unbind(1)
    return (torch.linalg.cross(x, y) * z).sum(-1) < 0


def _in_camera(points: Tensor, axes: Tensor) -> Tensor:
    """Points (B, S, N, 3) or (B, S, 3) through axes (B, 3, 3)."""
    axes = axes[:, None] if points.dim() == 4 else axes
    return points @ axes.mT


def _rotations_in_camera(rotations: Tensor, axes: Tensor, mirrored: Tensor) -> Tensor:
    """Rotations (B, S, 16, 3, 3) as the crop shows them: M R M in a mirror, with
    M = diag(-1, 1, 1), and the global one by the camera.
    """
    # A transfer of three numbers would wait for the device.
    sign = torch.stack(
        [torch.full((), x, device=axes.device) for x in MIRROR_POINTS.tolist()]
    )
    sign = torch.where(mirrored[:, None], sign, 1)[:, None, None]  # B 1 1 3
    fingers = sign[..., None] * rotations[:, :, 1:] * sign[..., None, :]
    # The axes hold the mirror on the left already.
    first = (axes[:, None] @ rotations[:, :, 0]) * sign
    return torch.cat([first[:, :, None], fingers], 2)


def _where(mask: Tensor, values: Tensor) -> Tensor:
    """Values whose first dimensions are the mask's, zero where it is not."""
    return torch.where(
        mask.view(*mask.shape, *[1] * (values.dim() - mask.dim())), values, 0
    )
