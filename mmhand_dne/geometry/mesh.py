"""Triangle meshes: normals, edges, adjacency."""

import torch
import torch.nn.functional as F
from torch import Tensor


def face_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals of triangles, outward for counter-clockwise faces.

    Args:
        vertices: (..., V, 3).
        faces: (F, 3) int64.
    Returns: (..., F, 3); zero for a degenerate face.
    """
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    return F.normalize(torch.linalg.cross(b - a, c - a, dim=-1), dim=-1)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals of vertices: area-weighted mean of their faces' normals.

    Args and returns: as :func:`face_normals`, (..., V, 3) for the result.
    """
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    weighted = torch.linalg.cross(b - a, c - a, dim=-1)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(-2, faces[:, corner], weighted)
    return F.normalize(total, dim=-1)


def unique_edges(faces: Tensor) -> Tensor:
    """Undirected edges of a mesh, (E, 2) int64, each once, sorted."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return torch.unique(edges.sort(dim=1).values, dim=0)


def normalised_adjacency(faces: Tensor, num_vertices: int) -> Tensor:
    """Row-normalised adjacency with self-loops, sparse (V, V) float32 COO."""
    edges = unique_edges(faces)
    loops = torch.arange(num_vertices, device=faces.device)
    rows = torch.cat([edges[:, 0], edges[:, 1], loops])
    columns = torch.cat([edges[:, 1], edges[:, 0], loops])
    degree = torch.bincount(rows, minlength=num_vertices).float()
    values = 1.0 / degree[rows]
    indices = torch.stack([rows, columns])
    size = (num_vertices, num_vertices)
    return torch.sparse_coo_tensor(
        indices, values, size, check_invariants=False
    ).coalesce()
