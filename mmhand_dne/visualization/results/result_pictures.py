"""Pictures of a result: overlay, side view, uncertainty, coarse against refined, maps.

All are drawn by the software renderer at a bounded size. The right hand is blue and
marked R, the left one orange and marked L; deviations are in viridis, in millimetres.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import (
    caption,
    note,
)
from mmhand_dne.visualization.canvas.map_colors import MapPicture, map_pictures
from mmhand_dne.visualization.canvas.mesh_renderer import (
    SAMPLES,
    check_image,
    paint_view,
)
from mmhand_dne.visualization.canvas.side_view import (
    FAR_IS_RIGHT,
    FROM_ABOVE,
    FROM_RIGHT,
    PlacedHand,
    draw_side_view,
)

from .image_windows import whole_window
from .result_views import (
    GAP,
    MOST_ROWS,
    Group,
    PictureJob,
    bordered,
    hand_color,
    hand_names,
    hand_wrists,
    is_small,
    see_hands,
    tagged,
)
from .uncertainty_picture import draw_uncertainty

KINDS = ('overlay', 'side', 'uncertainty', 'coarse_refined')
MESH_OPACITY = 0.85
MOST_COLUMNS = 2  # of close-ups, beside an image in portrait
MAP_COLUMNS = 3
SIDE_VIEWS = ((FAR_IS_RIGHT, FROM_RIGHT), ('from above, far is up', FROM_ABOVE))


def draw_result(
    image: np.ndarray,
    result: ImageResult,
    kinds: Sequence[str] = KINDS,
    size: int = 768,
    span: float | None = None,
    samples: int = SAMPLES,
) -> dict[str, np.ndarray]:
    """Draw one image's hands.

    Kinds: ``overlay`` the meshes over the whole image, with close-ups of small hands;
    ``whole`` the same without close-ups; ``side`` the hands seen from the camera's
    right; ``uncertainty`` standard deviations as colours of the mesh, and outlines of
    ellipsoids around the joints that hold the true joint with probability one half;
    ``coarse_refined`` the mesh before and after refinement; ``maps`` the auxiliary
    maps. Hands that overlap have a line around them.

    Args:
        image: (h, w, 3) uint8 RGB, the one that the result is of.
        result: of the image.
        kinds: pictures to make.
        size: longer side of the whole image in the overlay, pixels; the other pictures
            follow it, and letters are sized for a reduction to 256 pixels.
        span: where the colours of deviations end, millimetres, for instance of
            :func:`run_span`, so that a colour means the same in many pictures; by
            default as this image's hands ask for.
        samples: along each side of a pixel at edges.
    Returns: kind -> (h, w, 3) uint8 RGB. What the result has nothing for is left out:
        every kind but ``overlay`` and ``whole`` without hands, ``uncertainty`` without
        error bars, ``coarse_refined`` without stages, ``maps`` unless asked of the
        inferencer. An overlay without hands is the image with a note.
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
    job = PictureJob(image, result, size, span, samples=samples)
    drawn = {kind: PAINTERS[kind](job) for kind in dict.fromkeys(kinds)}
    return {kind: picture for kind, picture in drawn.items() if picture is not None}


def _draw_whole(job: PictureJob) -> np.ndarray:
    """The meshes over the whole image."""
    window = whole_window(job.result.size, job.size)
    hands = job.result.hands
    if not hands:
        return note(job.cut(window), 'no hand found')
    group = Group(hands, hand_names(job.result), window)
    return _with_meshes(job, hands, group)


def _draw_overlay(job: PictureJob) -> np.ndarray:
    """The meshes over the whole image, and close-ups of small hands."""
    picture = _draw_whole(job)
    small = [group for group in job.groups() if is_small(group, job.result.size)]
    pairs = [
        [job.cut(group.window), overlay_tile(job, group)] for group in small[:MOST_ROWS]
    ]
    if not pairs:
        return picture
    if picture.shape[0] > picture.shape[1]:  # beside an image in portrait
        columns = [grid([[tile] for tile in pair], GAP) for pair in pairs]
        return grid([[picture, *columns[:MOST_COLUMNS]]], GAP)
    return grid([[picture], *pairs], GAP)


def _draw_coarse_refined(job: PictureJob) -> np.ndarray | None:
    if not any(hand.coarse_vertices is not None for hand in job.result.hands):
        return None
    rows = []
    for group in job.groups()[:MOST_ROWS]:
        before = overlay_tile(job, group, coarse=True)
        after = overlay_tile(job, group)
        rows.append(
            [
                caption(before, 'coarse', height=job.letters),
                caption(after, 'refined', height=job.letters),
            ]
        )
    return grid(rows, GAP)


def overlay_tile(job: PictureJob, group: Group, coarse: bool = False) -> np.ndarray:
    """A close-up with meshes, which the overlay and the refined mesh share."""

    def draw() -> np.ndarray:
        hands = [h for h in group.hands if not coarse or h.coarse_vertices is not None]
        return _with_meshes(job, hands, group, coarse)

    return job.once((overlay_tile, group.window, coarse), draw)


def _with_meshes(
    job: PictureJob, hands: Sequence[HandResult], group: Group, coarse: bool = False
) -> np.ndarray:
    """What a group's window shows of the image, with meshes, lines and letters."""
    surfaces, view = see_hands(job, hands, group.window, coarse)
    colors = [surface.color for surface in surfaces]
    picture = paint_view(job.cut(group.window), view, colors, MESH_OPACITY)
    return tagged(job, bordered(picture, hands, view), group)


def _draw_side(job: PictureJob) -> np.ndarray | None:
    """Two square pictures of each group of hands, None without hands."""
    rows = []
    for group in job.groups()[:MOST_ROWS]:
        hands, remark = hands_in_space(group)
        lines = remark.split(', ') if remark else []
        views = [
            (
                title,
                draw_side_view(
                    hands, job.half, job.letters, rotation, samples=job.samples
                ),
            )
            for title, rotation in SIDE_VIEWS
        ]
        rows.append([caption(v, t, *lines, height=job.letters) for t, v in views])
    return grid(rows, GAP) if rows else None


def hands_in_space(group: Group) -> tuple[list[PlacedHand], str]:
    """A group's hands for the side view, and a remark on their distances."""
    positions, remark = hand_wrists(group.hands)
    placed = [
        PlacedHand(
            name, hand.vertices, hand.faces, hand.joints[0], position, hand_color(hand)
        )
        for hand, name, position in zip(group.hands, group.names, positions)
    ]
    return placed, remark


def _draw_maps(job: PictureJob) -> np.ndarray | None:
    """The crop's maps, each a square of a third of the picture's width; None if absent.

    The result's ``maps`` are name -> (C, h, w), named as ``map_pictures`` knows them.
    """
    if not job.result.maps:
        return None
    side = (job.size - (MAP_COLUMNS - 1) * GAP) // MAP_COLUMNS
    maps = map_pictures(job.result.maps, (side, side))
    rows = [maps[i : i + MAP_COLUMNS] for i in range(0, len(maps), MAP_COLUMNS)]
    return grid([_map_row(row, job.letters) for row in rows], GAP)


def _map_row(maps: Sequence[MapPicture], height: int) -> list[np.ndarray]:
    """Pictures of one row; it has a second line of words where one needs it."""
    count = 2 if any(m.remark for m in maps) else 1
    return [
        caption(m.picture, *(m.name, m.remark)[:count], height=height) for m in maps
    ]


PAINTERS: dict[str, Callable[[PictureJob], np.ndarray | None]] = dict(
    overlay=_draw_overlay,
    side=_draw_side,
    uncertainty=draw_uncertainty,
    coarse_refined=_draw_coarse_refined,
    whole=_draw_whole,
    maps=_draw_maps,
)
