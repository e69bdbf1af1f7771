"""Joints, boxes and rows of pictures (h, w, 3) uint8 RGB, points in pixels.

Every function draws on a copy. Points carry their pixel centres at integers.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mmhand_dne.conventions import FINGERS, OPENPOSE_JOINTS

from .lettering import INK, PAPER

SUBPIXEL = 4  # OpenCV's fixed-point bits
SMOOTHNESS = 160  # of a picture's longer side, to the width of what borders leave out

# Thumb, index, middle, ring, pinky, as in the map of parts; the wrist is white.
FINGER_COLORS = dict(
    zip(
        FINGERS,
        ((213, 94, 0), (0, 158, 115), (0, 114, 178), (240, 228, 66), (204, 121, 167)),
    )
)


def finger_color(joint: int) -> Sequence[int]:
    """RGB of an OpenPose joint and of the bone that ends at it."""
    return FINGER_COLORS.get(OPENPOSE_JOINTS[joint][:-1], PAPER)


def bones() -> list[tuple[int, int]]:
    """(parent, child) of each bone of one hand, in the order of ``OPENPOSE_JOINTS``."""
    chains = [['wrist'] + [f'{finger}{k}' for k in (1, 2, 3, 4)] for finger in FINGERS]
    index = OPENPOSE_JOINTS.index
    return [(index(a), index(b)) for chain in chains for a, b in zip(chain, chain[1:])]


def draw_skeleton(
    image: np.ndarray,
    joints: np.ndarray,
    valid: np.ndarray,
    edge_color: Sequence[int],
    hollow: np.ndarray | None = None,
    radius: float = 3.0,
) -> np.ndarray:
    """One hand's joints and bones, coloured by finger, outlined by hand.

    Args:
        image: (h, w, 3) uint8 RGB.
        joints: (21, 2) pixels, OpenPose order.
        valid: (21,) joints to draw, with the bones between two of them.
        edge_color: RGB of the outline: the hand's colour.
        hollow: (21,) joints drawn as an empty ring, their bones as a thin line.
        radius: of a joint, pixels.
    """
    image = image.copy()
    valid = np.asarray(valid, dtype=bool) & np.isfinite(joints).all(axis=-1)
    hollow = np.zeros(len(joints), bool) if hollow is None else np.asarray(hollow, bool)
    width = max(1, round(0.6 * radius))
    for parent, child in bones():
        if not (valid[parent] and valid[child]):
            continue
        ends = _fixed(joints[parent]), _fixed(joints[child])
        if hollow[parent] or hollow[child]:
            cv2.line(image, *ends, edge_color, 1, cv2.LINE_AA, SUBPIXEL)
            continue
        cv2.line(image, *ends, edge_color, width + 2, cv2.LINE_AA, SUBPIXEL)
        cv2.line(image, *ends, finger_color(child), width, cv2.LINE_AA, SUBPIXEL)
    for joint in np.flatnonzero(valid):
        center, inside = _fixed(joints[joint]), finger_color(joint)
        _dot(image, center, radius, None if hollow[joint] else inside, edge_color)
    return image


def draw_polygon(
    image: np.ndarray, corners: np.ndarray, color: Sequence[int], width: int = 1
) -> np.ndarray:
    """A closed outline through corners (N, 2), pixels."""
    image = image.copy()
    points = _all_fixed(corners)
    cv2.polylines(image, [points], True, color, width, cv2.LINE_AA, SUBPIXEL)
    return image


def draw_rings(
    image: np.ndarray,
    rings: np.ndarray,
    colors: Sequence[Sequence[int]],
    opacity: float,
    width: int = 1,
) -> np.ndarray:
    """Convex outlines, one over the other, whose insides show through.

    Args:
        image: (h, w, 3) uint8 RGB.
        rings: corners (R, N, 2), pixels.
        colors: RGB of each.
        opacity: of the insides, 0 to 1.
        width: of the outlines, pixels.
    """
    image = image.copy()
    if not len(rings):
        return image
    # Of each the part of the image that it may change, x and y.
    points, size = _all_fixed(rings), image.shape[1::-1]
    low = ((points.min(axis=1) >> SUBPIXEL) - 1).clip(0, size)
    high = ((points.max(axis=1) >> SUBPIXEL) + 3).clip(0, size)
    points_inside = points - (low << SUBPIXEL)[:, None].astype(np.int32)
    for own, inside, (left, top), (right, bottom), color in zip(
        points, points_inside, low.tolist(), high.tolist(), colors
    ):
        part = image[top:bottom, left:right]
        if part.size:
            filled = part.copy()
            cv2.fillConvexPoly(filled, inside, color, cv2.LINE_AA, SUBPIXEL)
            cv2.addWeighted(filled, opacity, part, 1 - opacity, 0, part)
        cv2.polylines(image, [own], True, color, width, cv2.LINE_AA, SUBPIXEL)
    return image


def draw_lines(
    image: np.ndarray, lines: np.ndarray, color: Sequence[int], width: int = 1
) -> np.ndarray:
    """Straight lines between ends (N, 2, 2), pixels; none where one is not finite."""
    image = image.copy()
    ends = _all_fixed(lines[np.isfinite(lines).all(axis=(1, 2))])
    cv2.polylines(image, list(ends), False, color, width, cv2.LINE_AA, SUBPIXEL)
    return image


def draw_dots(
    image: np.ndarray,
    points: np.ndarray,
    radius: float,
    colors: Sequence[Sequence[int]],
    edge_color: Sequence[int],
) -> np.ndarray:
    """Discs with an outline at points (N, 2); none where one is not finite.

    Args:
        image: (h, w, 3) uint8 RGB.
        points: (N, 2) pixels.
        radius: pixels.
        colors: RGB of each.
        edge_color: RGB of all outlines.
    """
    image = image.copy()
    known = np.isfinite(points).all(axis=-1)
    for center, color, drawn in zip(_all_fixed(points).tolist(), colors, known):
        if drawn:
            _dot(image, center, radius, color, edge_color)
    return image


def draw_borders(
    picture: np.ndarray,
    in_front: np.ndarray,
    colors: Mapping[int, Sequence[int]],
    width: int = 2,
) -> np.ndarray:
    """The picture with a line, edged dark, around the visible part of surfaces.

    Args:
        picture: (h, w, 3) uint8 RGB.
        in_front: (h, w) number of the surface that a pixel shows.
        colors: RGB of a surface's line, 0 to 255, by its number.
        width: of a line without its edges, pixels.
    """
    picture = picture.copy()
    smooth = 1 + 2 * round(max(in_front.shape) / SMOOTHNESS / 2)
    found = [
        cv2.findContours(
            visible_part(in_front == number, smooth),
            cv2.RETR_LIST,
            cv2.CHAIN_APPROX_TC89_L1,
        )[0]
        for number in colors
    ]
    for ink, thickness in ((INK, width + 2), (None, width)):
        for lines, own in zip(found, colors.values()):
            stroke = tuple(int(value) for value in (ink or own))
            cv2.drawContours(picture, lines, -1, stroke, thickness, cv2.LINE_AA)
    return picture


def visible_part(seen: np.ndarray, smooth: int) -> np.ndarray:
    """Where most of what is around a pixel is seen, (h, w) uint8 of 0 and 1.

    Args:
        seen: (h, w) bool.
        smooth: pixels around, an odd number.
    """
    share = cv2.blur(255 * seen.view(np.uint8), (smooth, smooth))
    return cv2.threshold(share, 127, 1, cv2.THRESH_BINARY)[1]


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Rows of pictures as one, on white; a row's pictures are aligned at the top."""
    rows = [row for row in rows if row]
    heights = [gap + max(picture.shape[0] for picture in row) for row in rows]
    width = max(sum(gap + picture.shape[1] for picture in row) for row in rows)
    whole = np.full((sum(heights), width, 3), 255, np.uint8)
    top = 0
    for row, height in zip(rows, heights):
        left = 0
        for picture in row:
            below, right = picture.shape[:2]
            whole[top : top + below, left : left + right] = picture
            left += right + gap
        top += height
    return whole


def _fixed(point: np.ndarray) -> tuple[int, int]:
    """A point in OpenCV's fixed-point numbers; far outside stays in their range."""
    return tuple(_all_fixed(point).tolist())


def _all_fixed(points: np.ndarray) -> np.ndarray:
    """Points (..., 2) in OpenCV's fixed-point numbers, int32."""
    near = np.nan_to_num(np.asarray(points, np.float64)).clip(-10_000, 10_000)
    return np.rint(near * 2**SUBPIXEL).astype(np.int32)


def _dot(
    image: np.ndarray,
    center: Sequence[int],
    radius: float,
    color: Sequence[int] | None,
    edge: Sequence[int],
) -> None:
    """A disc with an outline, without a colour the outline alone; draws on the image
    given. The centre is in fixed-point numbers.
    """
    reach = round(radius * 2**SUBPIXEL)
    if color is not None:
        cv2.circle(image, center, reach, color, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)
    cv2.circle(image, center, reach, edge, 1, cv2.LINE_AA, SUBPIXEL)
