"""The meshes of one image and the cameras that show them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES, SIDES
from mmhand_dne.geometry.camera import metric_translation, project
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.visualization.canvas.mesh_renderer import (
    HAND_COLORS,
    UNKNOWN_DEPTH,
    Surface,
    orthographic_surface,
    perspective_surface,
)
from mmhand_dne.visualization.canvas.side_view import PlacedHand
from mmhand_dne.visualization.canvas.wrist_layout import place_wrists


class MeshView(NamedTuple):
    """Both hands' predicted meshes and the crop cameras that show them."""

    title: str
    vertices: Tensor  # (2, V, 3) metres, wrist-relative
    camera: Tensor  # (2, 2, 2) rows (scale, shift), crop NDC
    present: Tensor  # (2,) bool, hands to draw


class PanelScene(NamedTuple):
    """What all pictures of one panel share."""

    crop: np.ndarray  # (h, w, 3) uint8 RGB
    faces: Tensor  # (2, F, 3) int64
    tile: int  # longer side of a picture of the panel, pixels
    gt: HandTargets | None  # of this image alone, or None
    intrinsics: Tensor | None  # (3, 3) of the crop, pixels, or None

    @property
    def scale(self) -> float:
        """Pixels of the panel per pixel of the crop."""
        return self.tile / max(self.crop.shape[:2])

    @property
    def crop_size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return self.crop.shape[1], self.crop.shape[0]

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of a picture of the panel, pixels."""
        height, width = self.crop.shape[:2]
        return round(self.scale * height), round(self.scale * width)


def prediction_views(instances: InstanceData | None, present: Tensor) -> list[MeshView]:
    """The meshes that a prediction holds, coarse first.

    A model without refinement stages has one view; one with them has three.
    """
    if instances is None or 'hand_vertices' not in instances:
        return []
    final = first(instances, 'hand_vertices'), first(instances, 'hand_camera')
    if 'coarse_vertices' not in instances or 'stage1_vertices' not in instances:
        return [MeshView('mesh', *final, present)]
    coarse = first(instances, 'coarse_vertices'), first(instances, 'coarse_camera')
    return [
        MeshView('coarse', *coarse, present),
        MeshView('refined, coarse camera', final[0], coarse[1], present),
        MeshView('refined, corrected camera', *final, present),
    ]


def view_surfaces(view: MeshView, scene: PanelScene) -> list[Surface]:
    """The view's present hands as surfaces in the crop, ordered by metric depth."""
    depth = root_depths(view, scene)
    return [
        orthographic_surface(
            view.vertices[hand],
            view.camera[hand],
            scene.crop_size,
            scene.faces[hand],
            HAND_COLORS[hand],
            float(depth[hand]),
        )
        for hand in view.present.nonzero().flatten().tolist()
    ]


def gt_surfaces(
    gt: HandTargets,
    faces: Tensor,
    intrinsics: Tensor | None = None,
    colors: Sequence[Sequence[int]] = HAND_COLORS,
) -> list[Surface]:
    """The true meshes of one image as surfaces, seen by the true camera.

    Args:
        gt: of one image.
        faces: (2, F, 3) int64.
        intrinsics: (3, 3) of the frame to draw into, pixels; by default the crop's.
        colors: RGB of the right and of the left hand.
    """
    intrinsics = gt.intrinsics[0] if intrinsics is None else intrinsics
    shown = (gt.vertices_valid[0] > 0) & (gt.root_valid[0] > 0)
    return [
        perspective_surface(
            gt.vertices_cam[0, hand], intrinsics, faces[hand], colors[hand]
        )
        for hand in shown.nonzero().flatten().tolist()
    ]


def roots(view: MeshView, scene: PanelScene) -> Tensor:
    """The wrists from the camera, (2, 3) metres; NaN without intrinsics, or for a
    camera of negative scale.
    """
    if scene.intrinsics is None:
        return torch.full((2, 3), torch.nan)
    return metric_translation(
        view.vertices, view.camera, scene.intrinsics, scene.crop_size
    )


def root_depths(view: MeshView, scene: PanelScene) -> Tensor:
    """Metres from the camera to each wrist (2,), to order the hands.

    Where it is not known, it is ``UNKNOWN_DEPTH``.
    """
    return roots(view, scene)[..., 2].nan_to_num(nan=UNKNOWN_DEPTH)


def placed_hands(view: MeshView, scene: PanelScene) -> tuple[list[PlacedHand], str]:
    """The view's present hands for the side view, and a remark on their distance."""
    hands = view.present.nonzero().flatten().tolist()
    positions, remark = place_wrists(roots(view, scene)[hands].numpy())
    placed = [
        PlacedHand(
            name=SIDES[hand][0].upper(),
            vertices=view.vertices[hand].numpy(),
            faces=scene.faces[hand].numpy(),
            wrist=np.zeros(3),
            position=position,
            color=HAND_COLORS[hand],
        )
        for hand, position in zip(hands, positions)
    ]
    return placed, remark


def error_line(view: MeshView, scene: PanelScene) -> str:
    """Mean vertex errors of the hands with ground truth, or nothing."""
    if scene.gt is None:
        return ''
    gt = scene.gt
    seen = (gt.vertices_valid[0] > 0) & (gt.root_valid[0] > 0)
    if not seen.any():
        return ''
    error = (view.vertices - gt.vertices[0]).norm(dim=-1)[seen].mean()
    offset = project(view.vertices, view.camera) - gt.vertices_ndc[0]
    pixels = offset * torch.tensor(scene.crop_size) / 2
    pixels = pixels.norm(dim=-1)[seen].mean()
    return f'error {MILLIMETRES * error:.1f} mm, {pixels:.1f} px'


def first(instances: InstanceData, name: str) -> Tensor:
    """The first instance's field as float32 on the CPU."""
    return torch.as_tensor(instances[name][0]).detach().cpu().float()
