"""The five target maps, rasterised from the true meshes on their device (DNE Eq. 9)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.conventions import NUM_ROTATIONS
from mmhand_dne.geometry.camera import ndc_to_pixels
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.rasterize import (
    Fragments,
    front_facing,
    interpolate,
    rasterize,
)
from mmhand_dne.hand_model import HandPair, part_labels, rest_coordinates
from mmhand_dne.structures.hand_targets import HandTargets

BACKGROUND = NUM_ROTATIONS  # the label after MANO's 16 parts


class MapTargets(NamedTuple):
    """Target maps of B images; cell (i, j) sits at NDC ((2j+1)/w - 1, (2i+1)/h - 1).

    Attributes:
        depth: (B, 1, h, w) metres behind the visible hand's own wrist.
        normal: (B, 3, h, w) unit normal in camera axes.
        heatmaps: (B, 2J, h, w) in [0, 1], right hand first, OpenPose order; 0 where
            a joint has no ground truth.
        heatmaps_valid: (B, 2J) 0 or 1.
        correspondence: (B, 3, h, w) in [0, 1], position on the resting right hand.
        parts: (B, 2, h, w) int64, 0 to 15 the parts, 16 background; one labelling a
            hand, to which the other hand is background.
        foreground: (B, 1, h, w) bool, where a hand is visible; depth, normal and
            correspondence are 0 elsewhere.
        maps_valid: (B) bool, whether everything but the heat maps may be used.
        parts_valid: (B, 2) 0 or 1.
    """

    depth: Tensor
    normal: Tensor
    heatmaps: Tensor
    heatmaps_valid: Tensor
    correspondence: Tensor
    parts: Tensor
    foreground: Tensor
    maps_valid: Tensor
    parts_valid: Tensor


def map_targets(
    targets: HandTargets, pair: HandPair, size: tuple[int, int], sigma: float = 2.0
) -> MapTargets:
    """Rasterise both true hands in one z-buffer, through the true perspective camera.

    An image that shows a hand without a mesh (an interacting frame with MANO for one
    hand, a frame with joints only) keeps its heat maps alone: the hand's pixels would
    be called background, or the other hand's though they are hidden [decided]. A cell
    that looks into the open wrist is background: the real image shows a forearm there,
    which is background too [decided]. Depth counts from the visible hand's own wrist,
    correspondences are places in the cube about the rest pose, sigma is 2 cells
    [decided].

    Args:
        targets: ground truth of B images, S = 2 hands.
        pair: the hand model whose faces and vertices the ground truth uses.
        size: (h, w) cells of the maps.
        sigma: standard deviation of the heat maps, cells.

    Example:
        >>> maps = map_targets(targets, pair, (64, 64))  # doctest: +SKIP
        >>> maps.parts.shape  # doctest: +SKIP
        torch.Size([30, 2, 64, 64])
    """
    count = targets.vertices.shape[2]
    faces = torch.cat([pair.faces[0], pair.faces[1] + count])
    fragments = _visible_faces(targets, faces, size)
    vertices = targets.vertices.flatten(1, 2)
    normals = vertex_normals(vertices, faces)
    rest = rest_coordinates(pair).to(vertices).flatten(0, 1).expand_as(vertices)
    surface = interpolate(fragments, faces, torch.cat([vertices, normals, rest], -1))
    parts = _visible_parts(fragments, faces, vertices, surface[..., :3], pair)
    depth, normal, rest = surface.movedim(-1, 1)[:, 2:].split([1, 3, 3], dim=1)
    has_mesh = targets.vertices_valid > 0
    maps_valid = has_mesh.any(1) & (has_mesh | (targets.presence == 0)).all(1)
    heatmaps_valid = targets.joints_ndc_valid.flatten(1)
    return MapTargets(
        depth=depth,
        normal=F.normalize(normal, dim=1),
        heatmaps=_heatmaps(
            targets.joints_ndc.flatten(1, 2), heatmaps_valid, size, sigma
        ),
        heatmaps_valid=heatmaps_valid,
        correspondence=rest,
        parts=parts,
        foreground=(fragments.face >= 0)[:, None],
        maps_valid=maps_valid,
        parts_valid=maps_valid[:, None].expand(-1, 2).to(vertices.dtype),
    )


def _visible_faces(
    targets: HandTargets, faces: Tensor, size: tuple[int, int]
) -> Fragments:
    """The nearest face of both hands at each cell, faces (2F, 3); -1 where that is the
    inside of a hand.
    """
    pixels = ndc_to_pixels(targets.vertices_ndc, size[::-1])
    points = torch.cat([pixels, targets.vertices_cam[..., 2:]], -1).flatten(1, 2)
    has_mesh = (targets.vertices_valid > 0).repeat_interleave(len(faces) // 2, dim=1)
    fragments = rasterize(points, faces, size, has_mesh)
    nearest = fragments.face.clamp(min=0).flatten(1)
    outside = front_facing(points, faces).gather(1, nearest).view_as(fragments.face)
    return fragments._replace(face=fragments.face.masked_fill(~outside, -1))


def _visible_parts(
    fragments: Fragments,
    faces: Tensor,
    vertices: Tensor,
    position: Tensor,
    pair: HandPair,
) -> Tensor:
    """Part of the visible face's vertex nearest to the visible point, (B, 2, h, w).

    Args:
        vertices: (B, 2V, 3) metres, both hands.
        position: (B, h, w, 3) metres, the visible points.
    """
    corners = faces[fragments.face.clamp(min=0)]  # (B, h, w, 3)
    image = torch.arange(len(corners), device=corners.device)[:, None, None, None]
    offsets = vertices[image, corners] - position[..., None, :]
    nearest = offsets.square().sum(-1).argmin(-1, keepdim=True)
    vertex = corners.gather(-1, nearest).squeeze(-1)[:, None]  # (B, 1, h, w)
    labels = torch.cat([part_labels(pair.right), part_labels(pair.left)])
    count = vertices.shape[1] // 2
    hands = torch.arange(2, device=vertex.device)[:, None, None]
    own = torch.div(vertex, count, rounding_mode='floor') == hands
    shown = (fragments.face >= 0)[:, None]
    return torch.where(own & shown, labels[vertex], BACKGROUND)


def _heatmaps(
    joints_ndc: Tensor, valid: Tensor, size: tuple[int, int], sigma: float
) -> Tensor:
    """A Gaussian of peak 1 at each valid joint, (B, K, h, w); joints (B, K, 2) NDC."""
    height, width = size
    joints = ndc_to_pixels(joints_ndc, (width, height))[..., None, :]  # cells
    across = torch.arange(width, device=joints.device) - joints[..., 0]
    down = torch.arange(height, device=joints.device) - joints[..., 1]
    across, down = (
        torch.exp(-(offset**2) / (2 * sigma**2)) for offset in (across, down)
    )
    return valid[..., None, None] * down[..., :, None] * across[..., None, :]
