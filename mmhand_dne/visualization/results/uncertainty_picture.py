"""A result's error bars as a picture: colours of the mesh, ellipsoids at the joints."""

from functools import partial

import cv2
import numpy as np

from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.canvas.drawing import (
    bones,
    draw_dots,
    draw_lines,
    draw_rings,
    grid,
)
from mmhand_dne.visualization.canvas.lettering import PAPER, caption
from mmhand_dne.visualization.canvas.mesh_renderer import paint_view
from mmhand_dne.visualization.canvas.uncertainty_colors import (
    deviation_colors,
    legend,
)

from .hand_uncertainty import (
    ELLIPSOID_SHARE,
    ellipsoid_axes,
    ellipsoid_outlines,
    hand_deviation,
    usable_joints,
)
from .image_windows import Window
from .result_views import (
    GAP,
    MOST_ROWS,
    Group,
    PictureJob,
    bordered,
    covered_share,
    hand_groups,
    image_map,
    see_hands,
    tagged,
)

FILL = 0.3  # opacity of an ellipsoid beside the hands
HAND_SHARE = 0.6  # of the photograph where a hand is
FLAT_AMBIENT = 0.65  # where colours have a meaning: close to those of the legend


def draw_uncertainty(job: PictureJob) -> np.ndarray | None:
    """Two close-ups of each group of hands above a legend, None without error bars.

    The mesh coloured by its deviation, and the outlines of the joints' ellipsoids over
    the photograph and its skeleton, which stay to be seen.
    """
    span = job.color_span
    if span is None:
        return None
    rows = []
    groups = hand_groups(job.result, job.half, partial(ellipse_pixels, job))
    for group in groups[:MOST_ROWS]:
        colored = colored_tile(job, group)
        rings = ellipse_tile(job, group)
        rows.append(
            [
                caption(colored, 'mesh by joints', height=job.letters),
                caption(rings, f'{ELLIPSOID_SHARE:.0%} ellipsoids', height=job.letters),
            ]
        )
    bar = legend(job.size, span, 'standard deviation')
    return grid([*rows, [bar]], GAP)


def colored_tile(job: PictureJob, group: Group) -> np.ndarray:
    """The close-up with meshes coloured by their deviation, grey without error bars."""
    _, view = see_hands(job, group.hands, group.window)
    colors = []
    for hand in group.hands:
        deviation = hand_deviation(hand)
        if deviation is None:
            deviation = np.full(len(hand.vertices), np.nan)
        colors.append(deviation_colors(deviation, job.color_span))
    picture = paint_view(job.cut(group.window), view, colors, 1.0, FLAT_AMBIENT)
    return tagged(job, bordered(picture, group.hands, view), group)


def ellipse_tile(
    job: PictureJob, group: Group, seen: Window | None = None
) -> np.ndarray:
    """The close-up with ellipsoids, faint where they would hide the hands.

    Args:
        seen: the window of another close-up, of hands that do not overlap, which shows
            where they are as well; by default the group's.
    """
    plain = job.cut(group.window)
    picture = plain
    for hand in group.hands:
        picture = _draw_ellipses(job, picture, hand, group.window)
    seen = group.window if seen is None else seen
    _, view = see_hands(job, group.hands, seen)
    inside = covered_share(view, seen, group.window) * HAND_SHARE
    picture = cv2.blendLinear(plain, picture, inside, 1 - inside)
    picture = bordered(picture, group.hands, view)
    for hand in group.hands:
        picture = _draw_joints(job, picture, hand, group.window)
    return tagged(job, picture, group)


def _draw_ellipses(
    job: PictureJob, picture: np.ndarray, hand: HandResult, window: Window
) -> np.ndarray:
    """A hand's ellipsoids as discs and rings, the farther from the camera first."""
    if hand.joint_covariance is None:
        return picture
    joints, rings = job.once((_rings, id(hand)), lambda: _rings(hand))
    order = np.argsort(-hand.joints[joints, 2], kind='stable')
    colors = deviation_colors(hand.joint_std[joints[order]], job.color_span).tolist()
    rings = window.to_picture(rings[order])
    return draw_rings(picture, rings, colors, FILL, _thin(job))


def _draw_joints(
    job: PictureJob, picture: np.ndarray, hand: HandResult, window: Window
) -> np.ndarray:
    """Bones, and joints in the colours of their deviations, grey without one."""
    joints = window.to_picture(hand.joints_2d)
    std = np.full(len(joints), np.nan) if hand.joint_std is None else hand.joint_std
    colors = deviation_colors(std, job.color_span).tolist()
    lines = joints[np.array(bones())]
    picture = draw_lines(picture, lines, PAPER, max(1, _thin(job) // 2))
    return draw_dots(picture, joints, 1.8 * _thin(job), colors, PAPER)


def _thin(job: PictureJob) -> int:
    """Width of a line, pixels."""
    return max(1, round(job.letters / 12))


def _rings(hand: HandResult) -> tuple[np.ndarray, np.ndarray]:
    """Joints (K,) with ellipsoids and their outlines (K, N, 2), pixels of the image."""
    camera = np.zeros((3, 2))
    camera[:2] = image_map(hand)[:2]
    joints = usable_joints(hand.joint_covariance)
    axes = ellipsoid_axes(hand.joint_covariance[joints])
    rings = ellipsoid_outlines(axes, camera)
    return joints, hand.joints_2d[joints, None] + rings


def ellipse_pixels(job: PictureJob, hand: HandResult) -> np.ndarray:
    """Where the image shows the hand's ellipsoids, (N, 2) pixels."""
    if hand.joint_covariance is None:
        return np.zeros((0, 2))
    return job.once((_rings, id(hand)), lambda: _rings(hand))[1].reshape(-1, 2)
