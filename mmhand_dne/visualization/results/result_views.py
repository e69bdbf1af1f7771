"""Where the pictures of a result look, and its hands as surfaces there.

A ``Window`` is the whole image or a square of it, drawn at a bounded size, so that
one of 48 megapixels costs hardly more than a small one.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch

from mmhand_dne.conventions import FINGERS, OPENPOSE_JOINTS, SIDES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.drawing import draw_borders
from mmhand_dne.visualization.canvas.lettering import (
    Tag,
    draw_tags_at,
    letter_height,
    tag_spots,
)
from mmhand_dne.visualization.canvas.mesh_renderer import (
    HAND_COLORS,
    SAMPLES,
    UNKNOWN_DEPTH,
    Surface,
    View,
    covered,
    in_front,
    look_at_part,
)
from mmhand_dne.visualization.canvas.uncertainty_colors import color_span
from mmhand_dne.visualization.canvas.wrist_layout import place_wrists

from .image_windows import Window, cut

GAP = 4  # pixels between pictures
MOST_ROWS = 4  # of close-ups in a picture
MARGIN = 0.18  # of a close-up, in the hands' size, at each edge
FINGERTIP = 0.012  # metres from a finger's end that belong to its tip
BORDER = 350  # of a picture's longer side, to the width of a line around a hand
LEAST_SIDE = 8.0  # pixels of the image, the smallest close-up


T = TypeVar('T')


class Group(NamedTuple):
    """Hands that one close-up shows together."""

    hands: list[HandResult]
    names: list[str]  # what is written at each hand
    window: Window


@dataclass(frozen=True, eq=False)
class PictureJob:
    """What every kind of picture of a result is made from, and what several show."""

    image: np.ndarray  # (h, w, 3) uint8 RGB
    result: ImageResult
    size: int  # longer side of the whole image in a picture, pixels
    span: float | None = None  # where the colours of deviations end, millimetres
    drawn: dict = field(default_factory=dict, repr=False)  # parts by what they show
    samples: int = SAMPLES  # along each side of a pixel at edges

    @property
    def letters(self) -> int:
        """Height of letters in all pictures, pixels."""
        return letter_height(self.size)

    @property
    def half(self) -> int:
        """Side of a square picture, two of which are as wide as an overlay."""
        return (self.size - GAP) // 2

    @property
    def color_span(self) -> float | None:
        """Where the legend of deviations ends: ``span``, or as these hands ask for.

        None if no hand has error bars.
        """
        own = self.once(run_span, lambda: run_span([self.result]))
        return own if own is None else self.span or own

    def cut(self, window: Window) -> np.ndarray:
        """What the window shows of the image, as of :func:`cut`; not to be changed."""
        return self.once(window, lambda: cut(self.image, window))

    def once(self, key: Hashable, draw: Callable[[], T]) -> T:
        """What several pictures need, made when it is first asked for."""
        if key not in self.drawn:
            self.drawn[key] = draw()
        return self.drawn[key]

    def groups(self) -> list[Group]:
        """Close-ups ``half`` pixels wide."""
        return hand_groups(self.result, self.half)


def run_span(results: Iterable[ImageResult]) -> float | None:
    """Where one legend for the deviations of all results ends, millimetres.

    None if no hand has error bars. That of several runs is the largest of theirs.
    """
    known = [
        hand.joint_std
        for result in results
        for hand in result.hands
        if hand.joint_std is not None
    ]
    return color_span(known) if known else None


def widened(span: float | None, results: Iterable[ImageResult]) -> float | None:
    """Where a legend that ended at ``span`` has to end for results as well."""
    own = run_span(results)
    return span if own is None else max(own, span or own)


def hand_names(result: ImageResult) -> list[str]:
    """'R' or 'L' of each hand, numbered where the image has several of one side."""
    sides = [hand.side for hand in result.hands]
    names = []
    for i, side in enumerate(sides):
        number = sides[: i + 1].count(side) if sides.count(side) > 1 else ''
        names.append(f'{side[0].upper()}{number}')
    return names


def hand_color(hand: HandResult) -> Sequence[int]:
    """RGB: a blue right hand, an orange left one."""
    return HAND_COLORS[SIDES.index(hand.side)]


def hand_groups(
    result: ImageResult,
    tile: int,
    more: Callable[[HandResult], np.ndarray] = lambda hand: hand.vertices_2d,
) -> list[Group]:
    """Close-ups ``tile`` pixels wide; hands whose outlines overlap share one.

    Args:
        result: of the image.
        tile: pixels.
        more: what the close-up of a hand shows beside its mesh, (N, 2) pixels of the
            image.
    """
    extents = [_extent(hand) for hand in result.hands]
    clusters: list[list[int]] = []
    for i in range(len(extents)):
        touched = [c for c in clusters if any(_meet(extents[i], extents[j]) for j in c)]
        rest = [c for c in clusters if c not in touched]
        clusters = [*rest, sorted(sum(touched, [i]))]
    names = hand_names(result)
    return [
        Group(
            [result.hands[i] for i in cluster],
            [names[i] for i in cluster],
            _close_up(
                [
                    _bounds(extents[i].reshape(2, 2), more(result.hands[i]))
                    for i in cluster
                ],
                tile,
            ),
        )
        for cluster in sorted(clusters)
    ]


def is_small(group: Group, size: tuple[int, int]) -> bool:
    """Whether the group fills less than two fifths of the image's longer side."""
    return group.window.size[0] / group.window.scale < 0.4 * max(size)


def hand_surface(hand: HandResult, window: Window, coarse: bool = False) -> Surface:
    """A hand's mesh in the window, in the hand's colour.

    Args:
        hand: of the image.
        window: to draw into.
        coarse: the mesh before refinement.
    """
    vertices = hand.coarse_vertices if coarse else hand.vertices
    pixels = hand.coarse_vertices_2d if coarse else hand.vertices_2d
    pixels, color = window.to_picture(pixels), hand_color(hand)
    return _surface(hand, vertices, pixels, hand.faces, color)


class SeenHands(NamedTuple):
    """Hands in a window, and what it shows of them."""

    surfaces: list[Surface]
    view: View | None  # None where it shows nothing of them


def see_hands(
    job: PictureJob, hands: Sequence[HandResult], window: Window, coarse: bool = False
) -> SeenHands:
    """Hands in a window, looked at once for all pictures of a job.

    Args:
        hands: of the job's result.
        coarse: the meshes before refinement.
    """

    def look() -> SeenHands:
        surfaces = [hand_surface(hand, window, coarse) for hand in hands]
        return SeenHands(surfaces, look_at_part(surfaces, window.size, job.samples))

    return job.once((see_hands, *map(id, hands), window, coarse), look)


def covered_share(view: View | None, seen: Window, window: Window) -> np.ndarray:
    """The share of each pixel (h, w) of a window that hands cover.

    Args:
        view: of the hands in the window ``seen``.
        seen: a window of at least the scale, in which all of them are.
        window: the one that is asked for.
    """
    share = covered(view, seen.size)
    if seen == window:
        return share
    share = cv2.convertScaleAbs(share, alpha=255)  # of bytes it is quicker
    scale = window.scale / seen.scale
    start = window.to_picture(np.array([seen.left, seen.top]) + 0.5 / seen.scale)
    affine = np.array([[scale, 0, start[0]], [0, scale, start[1]]])
    moved = cv2.warpAffine(share, affine, window.size[::-1], flags=cv2.INTER_LINEAR)
    return moved.astype(np.float32) / 255


def image_map(hand: HandResult) -> np.ndarray:
    """The hand's camera as one map (3, 2): (x, y, 1) in metres to image pixels.

    Crop camera and crop are affine, and so is the map; the mesh and its pixels
    determine it.
    """
    points = _with_one(hand.vertices[:, :2])
    return np.linalg.lstsq(points, hand.vertices_2d, rcond=None)[0]


def hand_wrists(hands: Sequence[HandResult]) -> tuple[np.ndarray, str]:
    """Positions (N, 3) of an image's wrists and a remark, as of ``place_wrists``."""
    wrists = np.array([hand.translation for hand in hands], np.float64).reshape(-1, 3)
    columns = [hand.joints_2d[0, 0] for hand in hands]
    return place_wrists(wrists, columns, all(hand.metric for hand in hands))


def tagged(job: PictureJob, picture: np.ndarray, group: Group) -> np.ndarray:
    """The picture of a group's window with the hands' letters, beyond the wrists.

    No letter covers a fingertip.
    """
    tags, to_picture = [], group.window.to_picture
    for hand, name in zip(group.hands, group.names):
        wrist = to_picture(hand.joints_2d[0])
        middle = to_picture(hand.joints_2d[1:].mean(axis=0))
        tags.append(Tag(name, wrist + 0.45 * (wrist - middle), hand_color(hand)))

    def spots() -> np.ndarray:
        tips = [to_picture(fingertips(hand)) for hand in group.hands]
        # A third lies far closer than a letter is wide.
        meshes = [to_picture(hand.vertices_2d[::3]) for hand in group.hands]
        around = np.concatenate(tips), np.concatenate(meshes)
        return tag_spots(group.window.size, tags, job.letters, *around)

    key = tagged, *map(id, group.hands), group.window
    return draw_tags_at(picture, tags, job.letters, job.once(key, spots))


def bordered(
    picture: np.ndarray, hands: Sequence[HandResult], view: View | None
) -> np.ndarray:
    """The picture with lines around hands that may hide each other, in their colours.

    Args:
        picture: (h, w, 3) uint8 RGB.
        hands: a hand that overlaps no other has no line.
        view: what the picture shows of the hands.
    """
    extents = [_extent(hand) for hand in hands]
    crossed = [
        i
        for i, own in enumerate(extents)
        if any(_meet(own, other) for j, other in enumerate(extents) if j != i)
    ]
    if not crossed:
        return picture

    return draw_borders(
        picture,
        in_front(view, picture.shape[:2]),
        {i: hand_color(hands[i]) for i in crossed},
        max(1, round(max(picture.shape[:2]) / BORDER)),
    )


def fingertips(hand: HandResult) -> np.ndarray:
    """Pixels (N, 2) of the image of the vertices around the ends of the fingers."""
    ends = hand.joints[[OPENPOSE_JOINTS.index(f'{finger}4') for finger in FINGERS]]
    squared = sum(
        (own[:, None] - end) ** 2 for own, end in zip(hand.vertices.T, ends.T)
    )
    return hand.vertices_2d[squared.min(axis=1) < FINGERTIP**2]


def _surface(
    hand: HandResult,
    vertices: np.ndarray,
    pixels: np.ndarray,
    faces: np.ndarray,
    color: Sequence,
) -> Surface:
    depth = float(hand.translation[2])
    depth = vertices[:, 2:] + (depth if np.isfinite(depth) else UNKNOWN_DEPTH)
    points = np.concatenate([pixels, depth], axis=1).astype(np.float32)
    vertices = torch.from_numpy(np.asarray(vertices, np.float32))
    faces = torch.from_numpy(np.asarray(faces, np.int64))
    return Surface(vertices, torch.from_numpy(points), faces, color, False)


def _with_one(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _extent(hand: HandResult) -> np.ndarray:
    """Left, top, right and bottom of the mesh, or of the box if that is not finite."""
    pixels = np.asarray(hand.vertices_2d, np.float64)
    if not np.isfinite(pixels).all():
        return np.asarray(hand.box, np.float64)
    return tight_corners(pixels)


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] <= b[2:]).all() and (b[:2] <= a[2:]).all())


def _bounds(*points: np.ndarray) -> np.ndarray:
    """Left, top, right and bottom of points (N, 2) that are finite, (4,)."""
    every = np.concatenate(points)
    every = every[np.isfinite(every).all(axis=-1)]
    return tight_corners(every)


def _close_up(extents: Sequence[np.ndarray], tile: int) -> Window:
    """The square around extents, each (4,), with a margin."""
    extents = np.array(extents)
    low, high = extents[:, :2].min(axis=0), extents[:, 2:].max(axis=0)
    side = max(LEAST_SIDE, (1 + 2 * MARGIN) * float((high - low).max()))
    left, top = (low + high) / 2 - side / 2
    return Window(float(left), float(top), tile / side, (tile, tile))
