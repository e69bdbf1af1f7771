"""One image's predictions side by side: coarse, refined, ground truth, maps, side view.

The columns are those of DNE's Figures 4 (coarse and refined mesh) and 5 (refined mesh
with and without the camera correction), and with a second model's mesh of Figure 3.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.camera import ndc_to_pixels, project
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.visualization.canvas.drawing import draw_skeleton, grid
from mmhand_dne.visualization.canvas.lettering import caption, letter_height
from mmhand_dne.visualization.canvas.map_colors import map_pictures
from mmhand_dne.visualization.canvas.mesh_renderer import (
    HAND_COLORS,
    render_overlay,
    resize,
)
from mmhand_dne.visualization.canvas.side_view import FAR_IS_RIGHT, draw_side_view

from .mesh_views import (
    MeshView,
    PanelScene,
    error_line,
    first,
    gt_surfaces,
    placed_hands,
    prediction_views,
    view_surfaces,
)


def draw_panel(
    scene: PanelScene,
    instances: InstanceData | None,
    fields: PixelData | None,
    presence_thr: float,
    title: str = 'input',
    others: Sequence[MeshView] = (),
) -> np.ndarray:
    """The whole panel, (h, w, 3) uint8 RGB.

    Args:
        scene: crop, ground truth and size.
        instances: predictions with a leading dimension of 1, or None.
        fields: auxiliary maps, or None.
        presence_thr: probability above which a hand is drawn.
        title: above the input.
        others: other models' meshes of the same image, after the predicted ones.
    """
    presence = _presence(instances)
    present = presence > presence_thr
    views = prediction_views(instances, present)
    meshes = [caption(_plain(scene), title, _presence_line(presence, scene.gt))]
    meshes += [_mesh_tile(scene, view) for view in (*views, *others)]
    if scene.gt is not None:
        meshes.append(_gt_tile(scene))
    if views:
        meshes.append(_side_tile(scene, views[-1]))
    extras = map_tiles(fields, scene.picture_size)
    if views:
        extras.append(_joints_tile(scene, instances, present))
    return grid([meshes, extras])


def map_tiles(fields: PixelData | None, size: tuple[int, int]) -> list[np.ndarray]:
    """Labelled pictures (h, w) = ``size`` of the auxiliary maps that are there."""
    if fields is None:
        return []
    maps = map_pictures(fields, size)
    return [caption(m.picture, m.name, m.remark) for m in maps]


def _mesh_tile(scene: PanelScene, view: MeshView) -> np.ndarray:
    surfaces = view_surfaces(view, scene)
    picture = render_overlay(scene.crop, surfaces, scale=scene.scale)
    line = error_line(view, scene) if surfaces else 'no hand found'
    return caption(picture, view.title, line)


def _gt_tile(scene: PanelScene) -> np.ndarray:
    """The true meshes, or the true joints where the image has no mesh."""
    gt = scene.gt
    surfaces = gt_surfaces(gt, scene.faces)
    if surfaces:
        picture = render_overlay(scene.crop, surfaces, scale=scene.scale)
        return caption(picture, 'true mesh', _missing(gt.vertices_valid, gt))
    joints = ndc_to_pixels(gt.joints_ndc[0], scene.crop_size)
    picture = _draw_hands(scene, joints, gt.joints_ndc_valid[0] > 0)
    return caption(picture, 'true joints (no mesh)', '')


def _joints_tile(
    scene: PanelScene, instances: InstanceData, present: Tensor
) -> np.ndarray:
    joints, camera = first(instances, 'hand_joints'), first(instances, 'hand_camera')
    pixels = ndc_to_pixels(project(joints, camera), scene.crop_size)
    shown = present[:, None].expand(pixels.shape[:-1])
    return caption(_draw_hands(scene, pixels, shown), 'predicted joints', '')


def _side_tile(scene: PanelScene, view: MeshView) -> np.ndarray:
    """The hands seen from the camera's right, at their metric distance if known."""
    hands, remark = placed_hands(view, scene)
    picture = draw_side_view(hands, scene.tile, letter_height(scene.tile))
    return caption(picture, FAR_IS_RIGHT, remark)


def _draw_hands(scene: PanelScene, pixels: Tensor, shown: Tensor) -> np.ndarray:
    """Both skeletons on the enlarged crop; pixels (2, 21, 2) of the crop."""
    picture = _plain(scene)
    pixels = ((pixels + 0.5) * scene.scale - 0.5).numpy()
    for hand, color in enumerate(HAND_COLORS):
        picture = draw_skeleton(picture, pixels[hand], shown[hand].numpy(), color)
    return picture


def _plain(scene: PanelScene) -> np.ndarray:
    return resize(scene.crop, scene.picture_size)


def _presence(instances: InstanceData | None) -> Tensor:
    """Probability (2,) of each hand; 1 where the model predicts none."""
    if instances is None or 'hand_presence' not in instances:
        return torch.ones(2)
    return first(instances, 'hand_presence')


def _presence_line(presence: Tensor, gt: HandTargets | None) -> str:
    """Which hands are there, by the model and in ground truth."""
    line = ', '.join(f'{side} {p:.2f}' for side, p in zip(SIDES, presence.tolist()))
    if gt is None:
        return line
    sides = [side for side, there in zip(SIDES, gt.presence[0].tolist()) if there]
    return f'{line} (true: {" + ".join(sides) or "none"})'


def _missing(valid: Tensor, gt: HandTargets) -> str:
    """Names the hands that are there but have no mesh."""
    lost = (gt.presence[0] > 0) & ~(valid[0] > 0)
    sides = [side for side, gone in zip(SIDES, lost.tolist()) if gone]
    return f'no mesh of the {" and ".join(sides)} hand' if sides else ''
