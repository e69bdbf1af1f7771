"""The hands of a result as the camera does not see them: from the right, from above."""

import numpy as np
import torch

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import (
    INK,
    Tag,
    caption,
    draw_tags,
    write,
)
from mmhand_dne.visualization.canvas.mesh_renderer import (
    FROM_ABOVE,
    FROM_RIGHT,
    Surface,
    side_surfaces,
)

from .result_views import Group, hand_color, paint
from .wrist_layout import place_wrists

BLANK = 236  # grey level behind the hands
BAR = 0.05  # metres, length of the scale bar
FLOOR = 0.17  # share of the picture's height that is kept for the scale bar
MOST_GROUPS = 4
VIEWS = (('side view, far is right', FROM_RIGHT), ('from above, far is up', FROM_ABOVE))


def draw_side(job):
    """Two square pictures of each group of hands, None without hands."""
    rows = []
    for group in job.groups(job.half)[:MOST_GROUPS]:
        wrists, remark = place_wrists(group.hands)
        lines = remark.split(', ') if remark else []
        views = [(title, _view(job, group, wrists, turn)) for title, turn in VIEWS]
        rows.append([caption(v, t, *lines, height=job.letters) for t, v in views])
    return grid(rows) if rows else None


def _view(job, group: Group, wrists: np.ndarray, turn) -> np.ndarray:
    """One square picture of a group whose wrists are where ``placement`` puts them."""
    size, floor = job.half, round(FLOOR * job.half)
    surfaces = side_surfaces(
        [
            torch.as_tensor(hand.vertices + wrist, dtype=torch.float32)
            for hand, wrist in zip(group.hands, wrists)
        ],
        [torch.as_tensor(np.asarray(hand.faces, np.int64)) for hand in group.hands],
        [hand_color(hand) for hand in group.hands],
        size - floor,
        turn=turn,
    )
    shift = torch.tensor([floor / 2, 0.0, 0.0])
    surfaces = [s._replace(points=s.points + shift) for s in surfaces]
    picture = np.full((size - floor, size, 3), BLANK, np.uint8)
    picture = paint(picture, surfaces, 1.0)
    tags = [
        Tag(name, _near_wrist(hand, surface), hand_color(hand))
        for hand, name, surface in zip(group.hands, group.names, surfaces)
    ]
    picture = draw_tags(picture, tags, job.letters)
    foot = np.full((floor, size, 3), BLANK, np.uint8)
    foot = _scale_bar(foot, _pixels_per_metre(surfaces[0]), job.letters)
    return np.concatenate([picture, foot])


def _near_wrist(hand, surface: Surface) -> np.ndarray:
    """A spot beyond the wrist, as seen from the mesh's middle."""
    nearest = np.linalg.norm(hand.vertices - hand.joints[0], axis=-1).argsort()[:16]
    points = surface.points[:, :2].numpy()
    wrist, middle = points[nearest].mean(axis=0), points.mean(axis=0)
    return wrist + 0.35 * (wrist - middle)


def _pixels_per_metre(surface: Surface) -> float:
    vertices, points = surface.vertices.numpy(), surface.points.numpy()
    return float(np.ptp(points[:, 1]) / max(np.ptp(vertices[:, 1]), 1e-6))


def _scale_bar(foot: np.ndarray, pixels_per_metre: float, height: int) -> np.ndarray:
    """A bar of ``BAR`` metres in the strip (h, w, 3) below a picture."""
    rows, columns = foot.shape[:2]
    thick = max(2, height // 5)
    left = max(3, height // 3)
    bottom = rows - left
    right = min(columns - left, left + round(BAR * pixels_per_metre))
    foot = foot.copy()
    foot[bottom - thick : bottom, left:right] = INK
    text = f'{MILLIMETRES * BAR:.0f} mm'
    return write(
        foot, text, (left, bottom - thick - max(2, height // 5)), height, anchor='lb'
    )
