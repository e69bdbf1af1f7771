"""A batched z-buffer in plain torch: no loop over images or faces, any device.

Every face proposes the pixels of its bounding box; a pixel keeps the nearest
face. Edge functions are taken relative to the pixel, which makes them exactly
antisymmetric in floating point: two faces that share an edge cannot both miss
a pixel on it, so a closed mesh has no holes.

On a CPU the faces and pixels that count are picked out. On other devices picking would
wait for how many they are, so all of them are computed and what does not count is
masked; the host waits once, for the number of candidates.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError

from .precision import reading_is_free

# Candidate (face, pixel) pairs handled at once. Bounds the memory to about
# 100 bytes a pair, and on a CPU keeps the temporaries near the cache.
MAX_CANDIDATES = {'cpu': 1 << 19, 'other': 1 << 23}
NO_FACE = torch.iinfo(torch.int64).max


class Fragments(NamedTuple):
    """What each pixel of a rasterised mesh shows.

    Attributes:
        face: (B, h, w) int64 index of the visible face, -1 where empty.
        barycentric: (B, h, w, 3) weights of that face's vertices, 0 where
            empty. In 3D (perspective-correct) unless drawn orthographically.
        depth: (B, h, w) depth in the unit of the input, 0 where empty.
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor


class _Candidates(NamedTuple):
    """Faces to draw, N of them, over all images; a box may be empty."""

    corners: Tensor  # (9, N) x0 y0 z0 x1 y1 z1 x2 y2 z2
    image: Tensor  # (N,) index of the image
    face: Tensor  # (N,) index of the face
    left: Tensor  # (N,) first column of the box
    top: Tensor  # (N,) first row of the box
    width: Tensor  # (N,) columns of the box
    end: Tensor  # (N,) cumulated number of pixels up to and with this face


def front_facing(points: Tensor, faces: Tensor) -> Tensor:
    """Faces whose outer side faces the camera.

    Args:
        points: (B, V, 3) pixel x (right), y (down) and depth; only x, y count.
        faces: (F, 3) int64, counter-clockwise seen from outside in the
            right-handed frame x right, y down, z forward.
    Returns: (B, F) bool.
    """
    a, b, c = points[:, faces, :2].unbind(dim=2)
    first, second = b - a, c - a
    area = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return area < 0


def rasterize(
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    face_valid: Tensor | None = None,
    perspective: bool = True,
) -> Fragments:
    """Find the nearest face at every pixel centre.

    A pixel exactly on an edge belongs to the faces on both sides; among equal
    depths the smallest face index wins, on every device. Faces with a vertex
    that is not finite are left out, and in perspective also those that reach
    behind the camera (depth <= 0). Barycentrics and depth are differentiable
    in ``points``, the choice of the face is not.

    Args:
        points: (B, V, 3) x, y in pixels (pixel centres at integers, y down)
            and depth along the viewing axis.
        faces: (F, 3) int64 vertex indices; the winding does not matter.
        size: (height, width) of the image.
        face_valid: (B, F) bool, the faces to draw; all of them by default.
        perspective: depth is linear in 1 / z over the image (pinhole camera)
            instead of linear (orthographic).
    Returns: Fragments of (B, h, w).

    Example:
        >>> points = torch.tensor([[[0., 0., 2.], [4., 0., 2.], [0., 4., 4.]]])
        >>> rasterize(points, torch.tensor([[0, 1, 2]]), (5, 5)).face[0, 1]
        tensor([ 0,  0,  0,  0, -1])
    """
    if points.dim() != 3 or points.shape[-1] != 3:
        raise UserError(
            f'points have shape {tuple(points.shape)}, expected '
            '(B, V, 3): pixel x, pixel y, depth'
        )
    height, width = size
    with torch.no_grad():
        boxes = _candidate_faces(points.detach(), faces, size, face_valid, perspective)
        nearest = torch.full(
            (len(points) * height * width,), NO_FACE, device=points.device
        )
        total = int(boxes.end[-1]) if len(boxes.end) else 0
        chunk = MAX_CANDIDATES.get(points.device.type, MAX_CANDIDATES['other'])
        for start in range(0, total, chunk):
            pixel, key = _covered_pixels(
                boxes, start, min(total, start + chunk), size, perspective
            )
            nearest.scatter_reduce_(0, pixel, key, 'amin')
    return _fragments(points, faces, size, nearest, perspective)


def interpolate(fragments: Fragments, faces: Tensor, vertex_values: Tensor) -> Tensor:
    """Spread values of the vertices over the pixels that show their faces.

    Args:
        fragments: of B images of size (h, w).
        faces: (F, 3) int64, the ones that were rasterised.
        vertex_values: (B, V, C), or (V, C) shared by all images.
    Returns: (B, h, w, C), 0 where no face is visible.
    """
    batch = len(fragments.face)
    values = vertex_values.expand(batch, *vertex_values.shape[-2:])
    shown = fragments.face >= 0
    if len(faces) and not reading_is_free(shown):
        corners = faces[fragments.face.clamp(min=0)]  # (B, h, w, 3)
        image = torch.arange(batch, device=shown.device)[:, None, None, None]
        weights = fragments.barycentric.to(values.dtype)[..., None]
        pixels = (values[image, corners] * weights).sum(dim=-2)
        return torch.where(shown[..., None], pixels, 0)
    image, row, column = shown.nonzero(as_tuple=True)
    corners = faces[fragments.face[image, row, column]]  # (N, 3)
    weights = fragments.barycentric[image, row, column].to(values.dtype)
    pixels = (values[image[:, None], corners] * weights[..., None]).sum(dim=1)
    result = values.new_zeros(*fragments.face.shape, values.shape[-1])
    return result.index_put((image, row, column), pixels)


def _candidate_faces(
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    face_valid: Tensor | None,
    perspective: bool,
) -> _Candidates:
    """Drop what cannot be seen and find each face's box of pixel centres."""
    height, width = size
    corners = points[:, faces]  # (B, F, 3, 3)
    low, high = corners.amin(dim=2), corners.amax(dim=2)
    # NaN and infinity fail this comparison, which leaves the face out.
    usable = (high - low < float('inf')).all(dim=-1)
    if perspective:
        usable &= low[..., 2] > 0
    if face_valid is not None:
        usable &= face_valid
    left = low[..., 0].ceil().clamp(0, width)
    top = low[..., 1].ceil().clamp(0, height)
    columns = high[..., 0].floor().clamp(-1, width - 1) - left + 1
    rows = high[..., 1].floor().clamp(-1, height - 1) - top + 1
    usable &= (columns > 0) & (rows > 0)
    image, face = _picked(usable)
    left, top, columns, rows = (
        torch.where(usable, box, 0)[image, face].long()
        for box in (left, top, columns, rows)
    )
    return _Candidates(
        corners[image, face].flatten(1).t().contiguous(),
        image,
        face,
        left,
        top,
        columns,
        (columns * rows).cumsum(0),
    )


def _picked(usable: Tensor) -> tuple[Tensor, Tensor]:
    """Images and faces of (B, F) usable ones; of all where picking would wait."""
    if reading_is_free(usable):
        return usable.nonzero(as_tuple=True)
    every = torch.arange(usable.numel(), device=usable.device)
    count = usable.shape[1]
    return torch.div(every, count, rounding_mode='floor'), every % count


def _covered_pixels(
    boxes: _Candidates, start: int, stop: int, size: tuple[int, int], perspective: bool
) -> tuple[Tensor, Tensor]:
    """Test the candidate pairs [start, stop).

    Returns: (K,) flat pixel index and (K,) sort key, whose upper half orders
        like the depth and whose lower half is the face; NO_FACE where the pair
        turned out not to cover its pixel.
    """
    height, width = size
    pair = torch.arange(start, stop, device=boxes.end.device)
    which = torch.searchsorted(boxes.end, pair, right=True)
    # Counted back from the end of the box: one look-up less.
    offset = boxes.end[which] - 1 - pair
    columns = boxes.width[which]
    row = torch.div(offset, columns, rounding_mode='floor')
    column = boxes.left[which] + offset - row * columns
    row = boxes.top[which] + row
    edges = _edge_functions(boxes.corners[:, which], column, row)
    low = torch.minimum(torch.minimum(edges[0], edges[1]), edges[2])
    high = torch.maximum(torch.maximum(edges[0], edges[1]), edges[2])
    inside = ((low >= 0) & (high > 0)) | ((high <= 0) & (low < 0))
    pixel = (boxes.image[which] * height + row) * width + column
    free = reading_is_free(inside)
    if free:
        kept = inside.nonzero().squeeze(1)
        which, edges, pixel = which[kept], edges[:, kept], pixel[kept]
    _, depth = _weights_and_depth(edges, boxes.corners[2::3, which], perspective)
    key = (_sortable(depth) << 32) | boxes.face[which]
    return pixel, key if free else torch.where(inside, key, NO_FACE)


def _edge_functions(corners: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Twice the signed areas opposite to each corner, (3, K)."""
    x0, y0, _, x1, y1, _, x2, y2, _ = corners.unbind(dim=0)
    column, row = column.to(corners.dtype), row.to(corners.dtype)
    x0, x1, x2 = x0 - column, x1 - column, x2 - column
    y0, y1, y2 = y0 - row, y1 - row, y2 - row
    return torch.stack([x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1])


def _weights_and_depth(
    edges: Tensor, corner_depth: Tensor, perspective: bool
) -> tuple[Tensor, Tensor]:
    """Barycentric weights (3, K) and depth (K,) from edge functions (3, K)."""
    weights = edges / edges.sum(dim=0)
    if not perspective:
        return weights, (weights * corner_depth).sum(dim=0)
    weights = weights / corner_depth
    depth = weights.sum(dim=0).reciprocal()
    return weights * depth, depth


def _sortable(depth: Tensor) -> Tensor:
    """Integers (int64, 32 bits used) in the order of the float depths."""
    bits = depth.float().contiguous().view(torch.int32).long()
    return torch.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))


def _fragments(
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    nearest: Tensor,
    perspective: bool,
) -> Fragments:
    """Barycentrics and depth of the winning faces, written into the images.

    Args:
        nearest: (B h w) sort key of the nearest face, or NO_FACE.
    """
    batch, (height, width) = len(points), size
    covered = nearest != NO_FACE
    free = reading_is_free(covered) or not len(faces)
    pixel = torch.arange(len(nearest), device=nearest.device)
    if free:
        pixel = covered.nonzero().squeeze(1)
    winner = nearest[pixel] & 0x7FFFFFFF
    winner = winner if free else torch.where(covered, winner, 0)
    image = torch.div(pixel, height * width, rounding_mode='floor')
    row = torch.div(pixel, width, rounding_mode='floor') % height
    corners = points[image[:, None], faces[winner]].flatten(1).t()
    edges = _edge_functions(corners, pixel % width, row)
    corner_depth = corners[2::3]
    if not free:  # whatever face 0 is there, no gradient of it may become NaN
        edges, corner_depth = (
            torch.where(covered, value, 1) for value in (edges, corner_depth)
        )
    weights, depth = _weights_and_depth(edges, corner_depth, perspective)
    shape = (batch, height, width)
    if free:
        face = winner.new_full(covered.shape, -1).index_put((pixel,), winner)
        weights = points.new_zeros(len(covered), 3).index_put((pixel,), weights.t())
        depth = points.new_zeros(covered.shape).index_put((pixel,), depth)
    else:
        face = torch.where(covered, winner, -1)
        weights, depth = torch.where(covered, weights, 0).t(), depth * covered
    return Fragments(face.view(shape), weights.reshape(*shape, 3), depth.view(shape))
