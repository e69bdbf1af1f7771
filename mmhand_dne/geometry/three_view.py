"""Three-view features: vertices pooled by maximum onto three planes (DNE Sec. 3, Eq. 4).

Eq. 4 voxelises the vertices in a D x D x D grid, gives each voxel the maximum of its
vertices' features and max-pools the grid along each axis. The maximum over a column of
voxel maxima is the maximum over the column's vertices, so the three planes are built
directly by scatter-max and the grid never exists.
"""
import torch
from torch import Tensor

MIN_EXTENT = 1e-9  # metres; a smaller hand is a point and sits in cell 0

# Front pools along z and keeps (x, y); lateral along x, (y, z); top along y, (x, z).
VIEW_AXES = ((0, 1), (1, 2), (0, 2))


def vertex_cells(vertices: Tensor, cells: int) -> Tensor:
    """Grid cell of each vertex: v minus its hand's minimum over the largest extent.

    Dividing by the largest of the three extents keeps the hand's shape. No gradient
    passes through cells.

    Args:
        vertices: (..., N, 3) one hand's vertices, metres.
        cells: D, number of cells along each axis.
    Returns: (..., N, 3) int64 in [0, D-1].
    """
    vertices = vertices.detach()
    vertices = vertices.float() if vertices.dtype.itemsize < 4 else vertices
    low = vertices.amin(-2, keepdim=True)
    extent = (vertices.amax(-2, keepdim=True) - low).amax(-1, keepdim=True)
    unit = (vertices - low) / extent.clamp(min=MIN_EXTENT)
    return (unit * cells).floor().long().clamp_(0, cells - 1)


def three_view_features(features: Tensor, vertices: Tensor, cells: int) -> Tensor:
    """Per-vertex features of the front, lateral and top planes.

    A vertex reads from each plane the maximum over all vertices of its hand in the
    same cell of that plane. Empty cells are absent: they are never read, so they are
    -inf, not zero.

    Args:
        features: (G, N, C) features of the vertices of G hands.
        vertices: (G, N, 3) their positions, metres.
        cells: D.
    Returns: (G, N, 3, C) in the order front, lateral, top.
    """
    groups, count, channels = features.shape
    cell = vertex_cells(vertices, cells)
    first = torch.tensor([axes[0] for axes in VIEW_AXES], device=cell.device)
    second = torch.tensor([axes[1] for axes in VIEW_AXES], device=cell.device)
    plane = cell[..., first] * cells + cell[..., second]  # (G, N, 3)
    offset = torch.arange(3, device=cell.device) * cells * cells
    index = (plane + offset).transpose(1, 2).reshape(groups, 3 * count, 1)
    index = index.expand(-1, -1, channels)
    source = features[:, None].expand(-1, 3, -1, -1).reshape(groups, -1, channels)
    planes = features.new_full((groups, 3 * cells * cells, channels), -torch.inf)
    planes = planes.scatter_reduce(1, index, source, reduce='amax')
    read = planes.gather(1, index).view(groups, 3, count, channels)
    return read.transpose(1, 2)
