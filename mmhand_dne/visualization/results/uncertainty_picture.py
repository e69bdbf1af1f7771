"""A result's error bars as a picture: colours of the mesh, ellipsoids at the joints."""

import numpy as np

from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import caption
from mmhand_dne.visualization.canvas.mesh_renderer import paint
from mmhand_dne.visualization.canvas.uncertainty_colors import (
    color_span,
    deviation_colors,
    legend,
)

from .hand_uncertainty import ELLIPSOID_SHARE, joint_ellipsoids, vertex_deviation
from .result_views import (
    GAP,
    MOST_ROWS,
    Group,
    PictureJob,
    cut,
    hand_groups,
    hand_surface,
    solid_surface,
    tagged,
    to_image,
)

GHOST = (215, 215, 215)  # RGB of the mesh behind the ellipsoids
GHOST_OPACITY = 0.35
FLAT_AMBIENT = 0.65  # where colours have a meaning: close to those of the legend


def draw_uncertainty(job: PictureJob) -> np.ndarray | None:
    """Two close-ups of each group of hands above a legend, None without error bars."""
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


def _colored_tile(job: PictureJob, group: Group, span: float) -> np.ndarray:
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
    return tagged(job, picture, group)


def _ellipsoid_tile(job: PictureJob, group: Group, span: float) -> np.ndarray:
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
    return tagged(job, picture, group)


def _ellipsoid_pixels(hand: HandResult) -> np.ndarray:
    """Where the image shows the hand's ellipsoids, (N, 2) pixels."""
    if hand.joint_covariance is None:
        return np.zeros((0, 2))
    found = joint_ellipsoids(hand.joints, hand.joint_covariance)
    return np.concatenate(
        [to_image(hand, v) for _, v, _ in found] or [np.zeros((0, 2))]
    )
