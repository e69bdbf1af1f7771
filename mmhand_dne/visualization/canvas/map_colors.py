"""Auxiliary maps (DNE Eq. 9) as pictures: (h, w, 3) uint8 RGB, one cell a pixel."""

import cv2
import numpy as np

from mmhand_dne.conventions import NUM_ROTATIONS

from .mesh_renderer import HAND_COLORS

NUM_PARTS = NUM_ROTATIONS  # of a hand; the label after them is the background
DEPTH_RANGE = 0.12  # metres before and behind the wrist that the colours span
EMPTY = 32  # grey level of the background
MIN_PEAK = 1e-3  # of a heat map; below it is noise, and stays dark

# MANO's parts: palm, then three a finger for index, middle, pinky, ring and thumb.
# One hue a finger (Okabe and Ito), lighter towards the tip.
_FINGERS = ((0, 158, 115), (0, 114, 178), (204, 121, 167), (240, 228, 66), (213, 94, 0))
_LIGHTER = (0.0, 0.35, 0.65)


def _part_palette() -> np.ndarray:
    """(2, 17, 3) uint8: right hand, left hand (half as bright), background last."""
    colors = [(150, 150, 150)]
    for finger in _FINGERS:
        colors += [[c + (255 - c) * mix for c in finger] for mix in _LIGHTER]
    right = np.array(colors)
    palette = np.stack([right, 0.55 * right])
    background = np.full((2, 1, 3), EMPTY)
    return np.concatenate([palette, background], axis=1).astype(np.uint8)


PART_COLORS = _part_palette()


def part_labels(parts: np.ndarray) -> np.ndarray:
    """The label of each cell and hand, at most one hand a cell.

    A cell is foreground where a hand is likelier than none, whatever its part; the
    likelier hand has it, and shows its likeliest part.

    Args:
        parts: (34, h, w) logits: for the right hand 16 parts and the background, then
            for the left.
    Returns: (2, h, w) int64, 0 to 15 a part, 16 background.
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
