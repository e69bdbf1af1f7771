"""One hand by itself in small square pictures, whatever hides it in the image."""

from dataclasses import replace
from functools import partial

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.canvas.mesh_renderer import SAMPLES
from mmhand_dne.visualization.canvas.side_view import draw_side_view

from .result_pictures import SIDE_VIEWS, hands_in_space, overlay_tile
from .result_views import GAP, Group, PictureJob, hand_groups, hand_names
from .uncertainty_picture import colored_tile, ellipse_pixels, ellipse_tile

ORTHOGONAL = ('right', 'above')  # the views of SIDE_VIEWS, by where one stands


def draw_hand_tiles(
    image: np.ndarray,
    result: ImageResult,
    number: int,
    tile: int = 288,
    span: float | None = None,
    samples: int = SAMPLES,
    view: int | None = None,
) -> dict[str, np.ndarray]:
    """Draw a hand, and nothing of the image's other hands.

    Args:
        image: (h, w, 3) uint8 RGB, the one that the result is of.
        result: of the image.
        number: of the hand in the result.
        tile: side of a picture, pixels.
        span: where the colours of deviations end, millimetres; as of ``draw_result``.
        samples: along each side of a pixel at edges.
        view: side of the pictures without the photograph, pixels; by default ``tile``.
    Returns: squares (h, w, 3) uint8 RGB: ``mesh`` over the photograph, ``coarse``
        before refinement, ``deviation`` as colours of the mesh, ``ellipsoids``, and the
        mesh seen from the ``right`` and from ``above``. What the hand has nothing for
        is left out.
    """
    hand, name = result.hands[number], hand_names(result)[number]
    alone = replace(result, hands=(hand,), track_ids=())
    job = PictureJob(image, alone, 2 * tile + GAP, span, samples=samples)
    close, wide = (
        hand_groups(alone, tile, more)[0]._replace(names=[name])
        for more in (lambda hand: hand.vertices_2d, partial(ellipse_pixels, job))
    )
    tiles = dict(mesh=overlay_tile(job, close))
    if hand.coarse_vertices is not None:
        tiles['coarse'] = overlay_tile(job, close, coarse=True)
    if hand.joint_std is not None:
        tiles['deviation'] = colored_tile(job, close)
        tiles['ellipsoids'] = ellipse_tile(job, wide, close.window)
    size = 2 * (view or tile) + GAP
    return {**tiles, **_side_tiles(replace(job, size=size), close)}


def _side_tiles(job: PictureJob, group: Group) -> dict[str, np.ndarray]:
    placed, _ = hands_in_space(group)
    return {
        name: draw_side_view(placed, job.half, job.letters, rotation, job.samples)
        for name, (_, rotation) in zip(ORTHOGONAL, SIDE_VIEWS)
    }
