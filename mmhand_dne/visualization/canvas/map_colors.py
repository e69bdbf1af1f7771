"""Auxiliary maps (DNE Eq. 9) as pictures: (h, w, 3) uint8 RGB, one cell per pixel."""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.structures import PixelData
from torch import Tensor

from mmhand_dne.conventions import MANO_JOINTS, MILLIMETRES, NUM_ROTATIONS

from .drawing import FINGER_COLORS
from .mesh_renderer import HAND_COLORS, resize

NUM_PARTS = NUM_ROTATIONS  # of a hand; the label after them is the background
DEPTH_RANGE = 0.12  # metres before and behind the wrist that the colours span
EMPTY = 32  # grey level of the background
MIN_PEAK = 1e-3  # of a heat map; below it is noise, and stays dark

# MANO's parts: palm, then three per finger, of one hue and lighter towards the tip.
PALM = (150, 150, 150)
_LIGHTER = (0.0, 0.35, 0.65)


def _part_palette() -> np.ndarray:
    """(2, 17, 3) uint8: right hand, left hand (half as bright), background last."""
    colors = [PALM]
    for name in MANO_JOINTS[1:]:
        color, mix = FINGER_COLORS[name[:-1]], _LIGHTER[int(name[-1]) - 1]
        colors.append([c + (255 - c) * mix for c in color])
    right = np.array(colors)
    palette = np.stack([right, 0.55 * right])
    background = np.full((2, 1, 3), EMPTY)
    return np.concatenate([palette, background], axis=1).astype(np.uint8)


PART_COLORS = _part_palette()


class MapPicture(NamedTuple):
    """One auxiliary map as a picture, with the words above it."""

    name: str
    remark: str  # '' if there is none
    picture: np.ndarray  # (h, w, 3) uint8 RGB


def map_pictures(
    fields: PixelData | Mapping[str, np.ndarray], size: tuple[int, int]
) -> list[MapPicture]:
    """A picture (h, w) = ``size`` of each auxiliary map that is there."""
    maps = {name: _as_array(value) for name, value in fields.items()}
    found = []
    if 'heatmaps' in maps:
        colors, peak = heatmap_colors(maps['heatmaps'])
        found.append(MapPicture('joint heat maps', f'peak {peak:.2f}', colors))
    if 'parts' in maps:
        labels = part_labels(maps['parts'])
        found.append(MapPicture('parts', '', part_colors(labels)))
        found += _foreground_pictures(maps, (labels != NUM_PARTS).any(axis=0))
    return [m._replace(picture=resize(m.picture, size, smooth=False)) for m in found]


def _foreground_pictures(
    maps: dict[str, np.ndarray], foreground: np.ndarray
) -> list[MapPicture]:
    """The maps that mean something on the foreground only.

    Where the parts show no hand at all the maps are shown whole, and say so.
    """
    note = ''
    if not foreground.any():
        foreground, note = np.ones_like(foreground), 'no hand in the parts'
    reach = round(MILLIMETRES * DEPTH_RANGE)
    known = (
        ('depth', 'depth', f'bright near (+-{reach} mm)', depth_colors),
        ('normal', 'normals', '', normal_colors),
        ('correspondence', 'correspondence', '', correspondence_colors),
    )
    return [
        MapPicture(
            title,
            ', '.join(filter(None, (remark, note))),
            paint(maps[name], foreground),
        )
        for name, title, remark, paint in known
        if name in maps
    ]


def _as_array(value: Tensor | np.ndarray) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def part_labels(parts: np.ndarray) -> np.ndarray:
    """The label of each cell and hand, at most one hand per cell.

    A cell is foreground where a hand is likelier than none, whatever its part; the
    likelier hand has it, and shows its likeliest part.

    Args:
        parts: (34, h, w) logits: for the right hand 16 parts and the background, then
            for the left.
    Returns: (2, h, w) int64, 0 to 15 the parts, 16 the background.
    """
    logits = np.nan_to_num(parts.reshape(2, NUM_PARTS + 1, *parts.shape[1:]))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    background = odds[:, NUM_PARTS] / odds.sum(axis=1)  # (2, h, w) probability
    empty = background.prod(axis=0) >= 0.5
    loses = background > background.min(axis=0, keepdims=True)
    return np.where(empty | loses, NUM_PARTS, odds[:, :NUM_PARTS].argmax(axis=1))


def part_colors(labels: np.ndarray) -> np.ndarray:
    """Categorical colours of the parts; the left hand is darker.

    Args:
        labels: (2, h, w) as of ``part_labels``.
    """
    right, left = labels
    is_left = (right == NUM_PARTS) & (left != NUM_PARTS)
    return np.where(is_left[..., None], PART_COLORS[1][left], PART_COLORS[0][right])


def depth_colors(depth: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Depth relative to the hand's wrist: bright is near.

    Args:
        depth: (1, h, w) metres.
        foreground: (h, w) bool; elsewhere the map means nothing.
    """
    near = np.clip(0.5 - depth[0] / (2 * DEPTH_RANGE), 0, 1)
    levels = np.rint(255 * np.nan_to_num(near)).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return _on_empty(colors, foreground)


def normal_colors(normal: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Normals as RGB: red right, green up, blue towards the camera.

    Args:
        normal: (3, h, w) camera axes (x right, y down, z forward).
        foreground: (h, w) bool.
    """
    shown = 0.5 + 0.5 * normal * np.array([1, -1, -1]).reshape(3, 1, 1)
    return _on_empty(_as_rgb(shown), foreground)


def correspondence_colors(
    coordinates: np.ndarray, foreground: np.ndarray
) -> np.ndarray:
    """Rest-pose coordinates as RGB.

    Args:
        coordinates: (3, h, w) in the unit cube.
        foreground: (h, w) bool.
    """
    return _on_empty(_as_rgb(coordinates), foreground)


def heatmap_colors(heatmaps: np.ndarray) -> tuple[np.ndarray, float]:
    """The largest of each hand's heat maps, in the hand's colour, and their peak.

    The colours are relative to the peak: a map that is low everywhere stays visible.

    Args:
        heatmaps: (42, h, w), the right hand's joints first.
    """
    hands = np.nan_to_num(heatmaps).reshape(2, -1, *heatmaps.shape[1:]).max(axis=1)
    peak = float(hands.max())
    hands = (hands / max(peak, MIN_PEAK)).clip(0, 1)
    colors = np.array(HAND_COLORS, dtype=np.float32)
    mixed = np.einsum('khw,kc->hwc', hands, colors)
    mixed += EMPTY * (1 - hands.max(axis=0))[..., None]
    return np.rint(mixed).clip(0, 255).astype(np.uint8), peak


def _as_rgb(channels: np.ndarray) -> np.ndarray:
    """(3, h, w) in [0, 1] to (h, w, 3) uint8."""
    levels = 255 * np.nan_to_num(channels).clip(0, 1)
    return np.rint(levels).astype(np.uint8).transpose(1, 2, 0)


def _on_empty(colors: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Colours on the foreground, grey elsewhere."""
    return np.where(foreground[..., None], colors, np.uint8(EMPTY))
