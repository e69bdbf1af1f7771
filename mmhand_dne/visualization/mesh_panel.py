"""One image's predictions side by side: coarse, refined, truth, maps, side view.

The columns are those of DNE's Figures 4 (coarse and refined mesh) and 5 (refined mesh
with and without the camera correction).
"""

from typing import NamedTuple, Optional, Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from mmhand_dne.geometry.camera import metric_translation, ndc_to_pixels, project
from mmhand_dne.structures.hand_targets import HandTargets

from . import map_colors
from .drawing import draw_skeleton, grid, labelled
from .mesh_renderer import (
    HAND_COLORS,
    Surface,
    orthographic_surface,
    perspective_surface,
    render_overlay,
    resize,
    side_surfaces,
)

HANDS = ('right', 'left')
UNKNOWN_DEPTH = 1.0  # metres; the wrist's where the camera tells none
BLANK = 236  # grey level behind the side view


class MeshView(NamedTuple):
    """Both hands' predicted meshes and the crop cameras that show them."""

    title: str
    vertices: Tensor  # (2, V, 3) metres, wrist-relative
    camera: Tensor  # (2, 2, 2) rows (scale, shift), crop NDC
    present: Tensor  # (2,) bool, hands to draw


class Scene(NamedTuple):
    """What all pictures of one panel share."""

    crop: np.ndarray  # (h, w, 3) uint8 RGB
    faces: Tensor  # (2, F, 3) int64
    tile: int  # longer side of a picture of the panel, pixels
    truth: Optional[HandTargets]  # of this image alone, or None
    intrinsics: Optional[Tensor]  # (3, 3) of the crop, pixels, or None

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


def draw_panel(
    scene: Scene,
    instances: Optional[InstanceData],
    fields: Optional[PixelData],
    presence_thr: float,
    title: str = 'input',
) -> np.ndarray:
    """The whole panel, (h, w, 3) uint8 RGB.

    Args:
        scene: crop, truth and size.
        instances: predictions with a leading dimension of 1, or None.
        fields: auxiliary maps, or None.
        presence_thr: probability above which a hand is drawn.
        title: above the input.
    """
    presence = _presence(instances)
    present = presence > presence_thr
    views = prediction_views(instances, present)
    meshes = [labelled(_plain(scene), title, _presence_line(presence, scene.truth))]
    meshes += [_mesh_tile(scene, view) for view in views]
    if scene.truth is not None:
        meshes.append(_truth_tile(scene))
    if views:
        meshes.append(_side_tile(scene, views[-1]))
    extras = map_tiles(fields, scene.picture_size)
    if views:
        extras.append(_joints_tile(scene, instances, present))
    return grid([meshes, extras])


def prediction_views(
    instances: Optional[InstanceData], present: Tensor
) -> list[MeshView]:
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


def map_tiles(fields: Optional[PixelData], size: tuple[int, int]) -> list[np.ndarray]:
    """Labelled pictures (h, w) = `size` of the auxiliary maps that are there."""
    if fields is None:
        return []
    maps = {name: np.asarray(_cpu(value)) for name, value in fields.items()}
    tiles = []
    if 'heatmaps' in maps:
        tiles.append(('joint heat maps', map_colors.heatmap_colors(maps['heatmaps'])))
    if 'parts' in maps:
        labels = map_colors.part_labels(maps['parts'])
        foreground = (labels != map_colors.NUM_PARTS).any(axis=0)
        tiles.append(('parts', map_colors.part_colors(labels)))
        reach = round(1000 * map_colors.DEPTH_RANGE)
        for name, title, paint in (
            ('depth', f'depth, bright near (+-{reach} mm)', map_colors.depth_colors),
            ('normal', 'normals', map_colors.normal_colors),
            ('correspondence', 'correspondence', map_colors.correspondence_colors),
        ):
            if name in maps:
                tiles.append((title, paint(maps[name], foreground)))
    return [labelled(resize(p, size, smooth=False), t) for t, p in tiles]


def view_surfaces(view: MeshView, scene: Scene) -> list[Surface]:
    """The view's present hands as surfaces in the crop, ordered by metric depth."""
    depth = root_depths(view.camera, scene.intrinsics, scene.crop_size)
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


def truth_surfaces(
    truth: HandTargets,
    faces: Tensor,
    intrinsics: Optional[Tensor] = None,
    colors: Sequence[Sequence[int]] = HAND_COLORS,
) -> list[Surface]:
    """The true meshes of one image as surfaces, seen by the true camera.

    Args:
        truth: of one image.
        faces: (2, F, 3) int64.
        intrinsics: (3, 3) of the frame to draw into, pixels; by default the crop's.
        colors: RGB of the right and of the left hand.
    """
    intrinsics = truth.intrinsics[0] if intrinsics is None else intrinsics
    shown = (truth.vertices_valid[0] > 0) & (truth.root_valid[0] > 0)
    return [
        perspective_surface(
            truth.vertices_cam[0, hand], intrinsics, faces[hand], colors[hand]
        )
        for hand in shown.nonzero().flatten().tolist()
    ]


def root_depths(
    camera: Tensor, intrinsics: Optional[Tensor], size: tuple[int, int]
) -> Tensor:
    """Metres from the camera to each wrist (2,), to order the hands.

    Without intrinsics, or for a camera of negative scale, it is `UNKNOWN_DEPTH`.
    """
    if intrinsics is None:
        return torch.full((2,), UNKNOWN_DEPTH)
    depth = metric_translation(camera, intrinsics, size)[..., 2]
    return depth.nan_to_num(nan=UNKNOWN_DEPTH)


def first(instances: InstanceData, name: str) -> Tensor:
    """The first instance's field as float32 on the CPU."""
    return torch.as_tensor(_cpu(instances[name][0])).float()


def error_line(view: MeshView, scene: Scene) -> str:
    """Mean vertex errors of the hands with truth, or nothing."""
    if scene.truth is None:
        return ''
    truth = scene.truth
    seen = (truth.vertices_valid[0] > 0) & (truth.root_valid[0] > 0)
    if not seen.any():
        return ''
    error = (view.vertices - truth.vertices[0]).norm(dim=-1)[seen].mean()
    offset = project(view.vertices, view.camera) - truth.vertices_ndc[0]
    pixels = offset * torch.tensor(scene.crop_size) / 2
    pixels = pixels.norm(dim=-1)[seen].mean()
    return f'error {1000 * error:.1f} mm, {pixels:.1f} px'


def _mesh_tile(scene: Scene, view: MeshView) -> np.ndarray:
    surfaces = view_surfaces(view, scene)
    picture = render_overlay(scene.crop, surfaces, scale=scene.scale)
    line = error_line(view, scene) if surfaces else 'no hand found'
    return labelled(picture, view.title, line)


def _truth_tile(scene: Scene) -> np.ndarray:
    """The true meshes, or the true joints where the image has no mesh."""
    truth = scene.truth
    surfaces = truth_surfaces(truth, scene.faces)
    if surfaces:
        picture = render_overlay(scene.crop, surfaces, scale=scene.scale)
        return labelled(picture, 'true mesh', _missing(truth.vertices_valid, truth))
    joints = ndc_to_pixels(truth.joints_ndc[0], scene.crop_size)
    picture = _draw_hands(scene, joints, truth.joints_ndc_valid[0] > 0)
    return labelled(picture, 'true joints (no mesh)', '')


def _joints_tile(scene: Scene, instances: InstanceData, present: Tensor) -> np.ndarray:
    joints, camera = first(instances, 'hand_joints'), first(instances, 'hand_camera')
    pixels = ndc_to_pixels(project(joints, camera), scene.crop_size)
    shown = present[:, None].expand(pixels.shape[:-1])
    return labelled(_draw_hands(scene, pixels, shown), 'predicted joints')


def _side_tile(scene: Scene, view: MeshView) -> np.ndarray:
    """The hands seen from the camera's right, at their metric distance if known."""
    hands = view.present.nonzero().flatten().tolist()
    line = 'from the right; depth grows to the right'
    roots = torch.zeros(2, 3)
    if scene.intrinsics is not None:
        roots = metric_translation(view.camera, scene.intrinsics, scene.crop_size)
    known = scene.intrinsics is not None and bool(roots.isfinite().all())
    if len(hands) == 2 and not known:
        roots, line = torch.zeros(2, 3), 'wrists put together: distance unknown'
    surfaces = side_surfaces(
        [view.vertices[hand] + roots[hand].nan_to_num() for hand in hands],
        [scene.faces[hand] for hand in hands],
        [HAND_COLORS[hand] for hand in hands],
        scene.tile,
    )
    blank = np.full((scene.tile, scene.tile, 3), BLANK, np.uint8)
    return labelled(render_overlay(blank, surfaces, alpha=1.0), 'side view', line)


def _draw_hands(scene: Scene, pixels: Tensor, shown: Tensor) -> np.ndarray:
    """Both skeletons on the enlarged crop; pixels (2, 21, 2) of the crop."""
    picture = _plain(scene)
    pixels = ((pixels + 0.5) * scene.scale - 0.5).numpy()
    for hand, color in enumerate(HAND_COLORS):
        picture = draw_skeleton(picture, pixels[hand], shown[hand].numpy(), color)
    return picture


def _plain(scene: Scene) -> np.ndarray:
    return resize(scene.crop, scene.picture_size)


def _presence(instances: Optional[InstanceData]) -> Tensor:
    """Probability (2,) of each hand; 1 where the model predicts none."""
    if instances is None or 'hand_presence' not in instances:
        return torch.ones(2)
    return first(instances, 'hand_presence')


def _presence_line(presence: Tensor, truth: Optional[HandTargets]) -> str:
    """Which hands are there, by the model and in truth."""
    line = ', '.join(f'{side} {p:.2f}' for side, p in zip(HANDS, presence.tolist()))
    if truth is None:
        return line
    sides = [side for side, there in zip(HANDS, truth.presence[0].tolist()) if there]
    return f'{line} (true: {" + ".join(sides) or "none"})'


def _missing(valid: Tensor, truth: HandTargets) -> str:
    """Names the hands that are there but have no mesh."""
    lost = (truth.presence[0] > 0) & ~(valid[0] > 0)
    sides: Sequence[str] = [side for side, gone in zip(HANDS, lost.tolist()) if gone]
    return f'no mesh of the {" and ".join(sides)} hand' if sides else ''


def _cpu(value):
    """A tensor's copy on the CPU; anything else as it is."""
    return value.detach().cpu() if isinstance(value, Tensor) else value
