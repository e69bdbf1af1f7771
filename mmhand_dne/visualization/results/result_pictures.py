"""Pictures of a result: overlay, side view, uncertainty, coarse against refined, maps.

All are drawn by the software renderer at a bounded size. The right hand is blue and
marked R, the left one orange and marked L; deviations are in viridis, in millimetres.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import (
    Tag,
    caption,
    draw_tags,
    letter_height,
    note,
)
from mmhand_dne.visualization.canvas.mesh_renderer import check_image
from mmhand_dne.visualization.canvas.uncertainty_colors import (
    color_span,
    deviation_colors,
    legend,
)

from .hand_uncertainty import ELLIPSOID_SHARE, joint_ellipsoids, vertex_deviation
from .result_maps import draw_maps
from .result_side import draw_side
from .result_views import (
    Group,
    cut,
    hand_color,
    hand_groups,
    hand_names,
    hand_surface,
    is_small,
    paint,
    solid_surface,
    to_photograph,
    whole_window,
)

KINDS = ('overlay', 'side', 'uncertainty', 'coarse_refined')
MESH_OPACITY = 0.85
GHOST = (215, 215, 215)  # RGB of the mesh behind the ellipsoids
GHOST_OPACITY = 0.35
FLAT_AMBIENT = 0.65  # where colours have a meaning: close to those of the legend
GAP = 4  # pixels between pictures
MOST_ROWS = 4  # of close-ups in a picture
MOST_COLUMNS = 2  # of them, beside a photograph in portrait


class Job(NamedTuple):
    """What every kind of picture is made from."""

    image: np.ndarray  # (h, w, 3) uint8 RGB
    result: ImageResult
    size: int  # longer side of the whole photograph in a picture, pixels

    @property
    def letters(self) -> int:
        """Height of letters in all pictures, pixels."""
        return letter_height(self.size)

    @property
    def half(self) -> int:
        """Side of a square picture, two of which are as wide as an overlay."""
        return (self.size - GAP) // 2

    def groups(self, tile: int) -> list[Group]:
        """Close-ups of ``tile`` pixels a side."""
        return hand_groups(self.result, tile)


def draw_result(
    image: np.ndarray,
    result: ImageResult,
    kinds: Sequence[str] = KINDS,
    size: int = 768,
) -> dict[str, np.ndarray]:
    """Draw one image's hands.

    Kinds: ``overlay`` the meshes over the whole image, with close-ups of small hands;
    ``side`` the hands seen from the camera's right; ``uncertainty`` standard deviations
    as colours of the mesh and as ellipsoids at the joints that hold the true joint with
    probability one half; ``coarse_refined`` the mesh before and after refinement;
    ``maps`` the auxiliary maps.

    Args:
        image: (h, w, 3) uint8 RGB, the one that the result is of.
        result: of the image.
        kinds: pictures to make.
        size: longer side of the whole image in the overlay, pixels; the other pictures
            follow it, and letters are sized for a reduction to 256 pixels.
    Returns: kind -> (h, w, 3) uint8 RGB. What the result has nothing for is left out:
        every kind but the overlay without hands, ``uncertainty`` without error bars,
        ``coarse_refined`` without stages, ``maps`` unless asked of the inferencer. An
        overlay without hands is the image with a note.
    Raises:
        ValueError: if a kind is unknown, or the image is not RGB of the result's size.
    """
    unknown = sorted(set(kinds) - set(PAINTERS))
    if unknown:
        raise UserError(f'unknown pictures {unknown}; choose from {sorted(PAINTERS)}')
    check_image(image)
    width, height = result.size
    if image.shape[:2] != (height, width):
        raise UserError(
            f'image is {image.shape[1]} x {image.shape[0]} pixels, but the result is '
            f'of {width} x {height}; pass the image as the inferencer read it'
        )
    job = Job(image, result, size)
    drawn = {kind: PAINTERS[kind](job) for kind in dict.fromkeys(kinds)}
    return {kind: picture for kind, picture in drawn.items() if picture is not None}


def _draw_overlay(job: Job) -> np.ndarray:
    window = whole_window(job.result.size, job.size)
    picture = cut(job.image, window)
    hands = job.result.hands
    if not hands:
        return note(picture, 'no hand found')
    surfaces = [hand_surface(hand, window) for hand in hands]
    picture = paint(picture, surfaces, MESH_OPACITY)
    picture = _tagged(job, picture, Group(hands, hand_names(job.result), window))
    groups = job.groups(job.half)
    small = [group for group in groups if is_small(group, job.result.size)]
    pairs = [
        [cut(job.image, group.window), _overlay_tile(job, group)]
        for group in small[:MOST_ROWS]
    ]
    if not pairs:
        return picture
    if picture.shape[0] > picture.shape[1]:  # beside a photograph in portrait
        columns = [grid([[tile] for tile in pair], GAP) for pair in pairs]
        return grid([[picture, *columns[:MOST_COLUMNS]]], GAP)
    return grid([[picture], *pairs], GAP)


def _draw_coarse_refined(job: Job):
    if not any(hand.coarse_vertices is not None for hand in job.result.hands):
        return None
    rows = []
    for group in job.groups(job.half)[:MOST_ROWS]:
        before = _overlay_tile(job, group, coarse=True)
        after = _overlay_tile(job, group)
        rows.append(
            [
                caption(before, 'coarse', height=job.letters),
                caption(after, 'refined', height=job.letters),
            ]
        )
    return grid(rows, GAP)


def _draw_uncertainty(job: Job):
    known = [hand.joint_std for hand in job.result.hands if hand.joint_std is not None]
    if not known:
        return None
    span = color_span(known)
    rows = []
    for group in hand_groups(job.result, job.half, _ellipsoid_pixels)[:MOST_ROWS]:
        colored = _colored_tile(job, group, span)
        solid = _ellipsoid_tile(job, group, span)
        rows.append(
            [
                caption(colored, 'mesh by joints', height=job.letters),
                caption(solid, f'{ELLIPSOID_SHARE:.0%} ellipsoids', height=job.letters),
            ]
        )
    bar = legend(job.size, span, 'standard deviation')
    return grid([*rows, [bar]], GAP)


def _overlay_tile(job: Job, group: Group, coarse: bool = False) -> np.ndarray:
    hands = [h for h in group.hands if not coarse or h.coarse_vertices is not None]
    surfaces = [hand_surface(hand, group.window, coarse=coarse) for hand in hands]
    picture = paint(cut(job.image, group.window), surfaces, MESH_OPACITY)
    return _tagged(job, picture, group)


def _colored_tile(job: Job, group: Group, span: float) -> np.ndarray:
    """The close-up with meshes coloured by their deviation, grey without error bars."""
    surfaces = []
    for hand in group.hands:
        deviation = np.full(len(hand.vertices), np.nan)
        if hand.joint_std is not None:
            deviation = vertex_deviation(
                hand.vertices, hand.joints, hand.joint_std, hand.faces
            )
        colors = deviation_colors(deviation, span)
        surfaces.append(hand_surface(hand, group.window, colors))
    picture = paint(cut(job.image, group.window), surfaces, 1.0, FLAT_AMBIENT)
    return _tagged(job, picture, group)


def _ellipsoid_tile(job: Job, group: Group, span: float) -> np.ndarray:
    """The close-up with a pale mesh and the joints' ellipsoids before it."""
    ghosts = [hand_surface(hand, group.window, GHOST) for hand in group.hands]
    picture = paint(cut(job.image, group.window), ghosts, GHOST_OPACITY)
    solids = []
    for hand in group.hands:
        if hand.joint_covariance is None:
            continue
        found = joint_ellipsoids(hand.joints, hand.joint_covariance)
        for joint, vertices, faces in found:
            color = deviation_colors(hand.joint_std[joint], span)
            solids.append(solid_surface(hand, group.window, vertices, faces, color))
    if solids:
        picture = paint(picture, solids, 1.0, FLAT_AMBIENT)
    return _tagged(job, picture, group)


def _ellipsoid_pixels(hand: HandResult) -> np.ndarray:
    """Where the photograph shows the hand's ellipsoids, (N, 2) pixels."""
    if hand.joint_covariance is None:
        return np.zeros((0, 2))
    found = joint_ellipsoids(hand.joints, hand.joint_covariance)
    return np.concatenate(
        [to_photograph(hand, v) for _, v, _ in found] or [np.zeros((0, 2))]
    )


def _tagged(job: Job, picture: np.ndarray, group: Group) -> np.ndarray:
    """The picture with the hands' letters, beyond the wrists."""
    tags = []
    for hand, name in zip(group.hands, group.names):
        wrist = group.window.to_picture(hand.joints_2d[0])
        middle = group.window.to_picture(hand.joints_2d[1:].mean(axis=0))
        tags.append(Tag(name, wrist + 0.45 * (wrist - middle), hand_color(hand)))
    return draw_tags(picture, tags, job.letters)


PAINTERS: dict[str, Callable] = dict(
    overlay=_draw_overlay,
    side=draw_side,
    uncertainty=_draw_uncertainty,
    coarse_refined=_draw_coarse_refined,
    maps=draw_maps,
)
