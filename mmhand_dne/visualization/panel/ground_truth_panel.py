"""One sample's ground truth over its crop or its original image."""

from collections.abc import Sequence

import numpy as np
import torch
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.camera import ndc_to_pixels
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.visualization.canvas.drawing import (
    draw_polygon,
    draw_skeleton,
    grid,
)
from mmhand_dne.visualization.canvas.lettering import caption
from mmhand_dne.visualization.canvas.mesh_renderer import (
    HAND_COLORS,
    check_image,
    render_overlay,
    resize,
)

from .crop_frame import image_to_crop, square
from .mesh_views import gt_surfaces

BOX_COLOR = (240, 228, 66)  # the annotated box
CROP_COLOR = (255, 255, 255)  # the border of the network's input


def draw_ground_truth(
    image: np.ndarray,
    sample: PoseDataSample,
    faces: Tensor,
    original: bool = False,
    tile: int = 512,
) -> np.ndarray:
    """Joints and boxes, then the mesh if there is one, each over the image.

    A joint that is true in 2D but not in 3D is hollow; one that is invalid is absent.
    The lines above tell which hands are there, or that it is not known, how many
    joints are valid, and whether a mesh comes with MANO parameters. Hands are named as
    the picture shows them.

    Args:
        image: (h, w, 3) uint8 RGB, the crop or the original image.
        sample: its packed ground truth.
        faces: (2, F, 3) int64 of the hand model.
        original: whether ``image`` is the original image.
        tile: longer side of a picture, pixels; a larger image keeps its size.
    Returns: (H, W, 3) uint8 RGB.
    """
    check_image(image)
    gt = HandTargets.from_samples([sample], torch.device('cpu'))
    scale = max(1.0, tile / max(image.shape[:2]))
    # ``frame`` leads from the crop to the image.
    frame = np.linalg.inv(image_to_crop(sample)) if original else np.eye(3)
    # In the original image a mirrored sample shows its slots the other way round.
    swapped = original and bool(sample.get('flip', False))
    colors = HAND_COLORS[::-1] if swapped else HAND_COLORS
    names = SIDES[::-1] if swapped else SIDES
    # The joints, then the mesh if there is one.
    skeleton = _joints_picture(image, gt, sample, frame, scale, colors)
    lines = _sample_line(sample, gt, names), _joints_line(gt, names)
    pictures = [caption(skeleton, *lines)]
    surfaces = gt_surfaces(
        gt, faces, torch.from_numpy(frame).float() @ gt.intrinsics[0], colors
    )
    if surfaces:
        mesh = render_overlay(image, surfaces, scale=scale)
        pictures.append(caption(mesh, 'mesh', _mesh_line(gt, names)))
    return grid([pictures])


def _joints_picture(
    image: np.ndarray,
    gt: HandTargets,
    sample: PoseDataSample,
    frame: np.ndarray,
    scale: float,
    colors: Sequence[Sequence[int]],
) -> np.ndarray:
    """Boxes and skeletons over the enlarged image; ``frame`` leads crop -> image."""
    height, width = (round(scale * side) for side in image.shape[:2])
    picture = resize(image, (height, width))
    for corners, color in _outlines(sample, frame):
        picture = draw_polygon(picture, _zoom(corners, scale), color)
    pixels = ndc_to_pixels(gt.joints_ndc[0], sample.input_size).double().numpy()
    pixels = _zoom(_move(pixels, frame), scale)
    radius = max(3.0, max(height, width) / 130)
    valid = gt.joints_ndc_valid[0].numpy() > 0
    flat = gt.joints_valid[0].numpy() == 0
    for hand, color in enumerate(colors):
        points = pixels[hand], valid[hand], color
        picture = draw_skeleton(picture, *points, hollow=flat[hand], radius=radius)
    return picture


def _outlines(
    sample: PoseDataSample, frame: np.ndarray
) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    """Corners (4, 2) in the picture's frame and colour of the box and the crop."""
    width, height = sample.input_size
    crop = _corners(-0.5, -0.5, width - 0.5, height - 0.5)
    outlines = [(_move(crop, frame), CROP_COLOR)]
    box = _first_box(sample)
    if box is not None:
        # The box is kept in the image that was cropped, mirrored or not.
        to_crop = frame @ square(sample.crop_affine)
        outlines.append((_move(_corners(*box), to_crop), BOX_COLOR))
    return outlines


def _first_box(sample: PoseDataSample) -> np.ndarray | None:
    """The annotated box x0 y0 x1 y1 in original pixels, or None."""
    instances = sample.get('gt_instances')
    if instances is None or 'bboxes' not in instances:
        return None
    return np.asarray(instances.bboxes, dtype=np.float64).reshape(-1, 4)[0]


def _sample_line(sample: PoseDataSample, gt: HandTargets, names: Sequence[str]) -> str:
    """Which hands are there; those of which that is not known have a question mark."""
    there, known = gt.presence[0] > 0, gt.presence_valid[0] > 0
    hands = [
        f'{name}{"" if sure else "?"}'
        for name, present, sure in zip(names, there.tolist(), known.tolist())
        if present or not sure
    ]
    flipped = ', mirrored' if sample.get('flip', False) else ''
    return f'id {sample.get("id", "?")}, {" + ".join(hands) or "no hand"}{flipped}'


def _joints_line(gt: HandTargets, names: Sequence[str]) -> str:
    """How many joints of each hand are drawn, and how many have a depth."""
    flat = (gt.joints_ndc_valid[0] > 0).sum(dim=-1).tolist()
    deep = (gt.joints_valid[0] > 0).sum(dim=-1).tolist()
    parts = [f'{h} {n} joints ({m} in 3D)' for h, n, m in zip(names, flat, deep)]
    return ', '.join(parts)


def _mesh_line(gt: HandTargets, names: Sequence[str]) -> str:
    """Hands with a mesh, and whether their MANO parameters are known."""
    valid, mano = gt.vertices_valid[0] > 0, gt.mano_valid[0] > 0
    parts = [
        f'{name} ({"with" if parameters else "no"} MANO parameters)'
        for name, there, parameters in zip(names, valid.tolist(), mano.tolist())
        if there
    ]
    return ', '.join(parts)


def _corners(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _move(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points (..., 2) through an affine map (3, 3)."""
    return points @ affine[:2, :2].T + affine[:2, 2]


def _zoom(points: np.ndarray, scale: float) -> np.ndarray:
    """Points in a picture enlarged by ``scale``, pixel centres at integers."""
    return (points + 0.5) * scale - 0.5
