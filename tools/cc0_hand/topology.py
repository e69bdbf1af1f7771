"""Triangle meshes: edges, closest points, edge flips."""

import numpy as np
from scipy.spatial import cKDTree

TINY = 1e-30  # square metres; keeps degenerate triangles from dividing by zero


def edge_tables(faces):
    """Directed edge -> face; boundary vertex -> next; undirected edges."""
    directed = {}
    for index, face in enumerate(faces):
        for k in range(3):
            edge = (int(face[k]), int(face[(k + 1) % 3]))
            if edge in directed:
                raise ValueError(f'edge {edge} has more than two faces')
            directed[edge] = index
    boundary = {a: b for a, b in directed if (b, a) not in directed}
    undirected = {(min(edge), max(edge)) for edge in directed}
    return directed, boundary, undirected


def closest_points(points, vertices, faces, candidates=60):
    """Closest point of a mesh among the faces with the nearest centres.

    Returns: face (P,), barycentric coordinates (P, 3) and position (P, 3).
    """
    count = min(candidates, len(faces))
    _, near = cKDTree(vertices[faces].mean(1)).query(points, k=count)
    near = near.reshape(len(points), count)
    corners = vertices[faces[near]]
    weights = _closest_barycentric(points[:, None], corners)
    positions = (weights[..., None] * corners).sum(2)
    best = ((positions - points[:, None]) ** 2).sum(-1).argmin(1)
    rows = np.arange(len(points))
    return near[rows, best], weights[rows, best], positions[rows, best]


def _closest_barycentric(p, corners):
    """Barycentric coordinates by the region (face, edge, corner) that p projects to."""
    a, b, c = corners[:, :, 0], corners[:, :, 1], corners[:, :, 2]
    ab, ac = b - a, c - a
    d1, d2 = _dot(ab, p - a), _dot(ac, p - a)
    d3, d4 = _dot(ab, p - b), _dot(ac, p - b)
    d5, d6 = _dot(ab, p - c), _dot(ac, p - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = va + vb + vc
    total = np.where(abs(total) < TINY, TINY, total)
    out = np.stack([1 - vb / total - vc / total, vb / total, vc / total], -1)
    zero, one = np.zeros_like(d1), np.zeros_like(d1) + 1
    with np.errstate(all='ignore'):
        on_ab, on_ac = d1 / (d1 - d3), d2 / (d2 - d6)
        on_bc = (d4 - d3) / (d4 - d3 + d5 - d6)
        regions = (
            ((vc <= 0) & (d1 >= 0) & (d3 <= 0), (1 - on_ab, on_ab, zero)),
            ((vb <= 0) & (d2 >= 0) & (d6 <= 0), (1 - on_ac, zero, on_ac)),
            ((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), (zero, 1 - on_bc, on_bc)),
            ((d1 <= 0) & (d2 <= 0), (one, zero, zero)),
            ((d3 >= 0) & (d4 <= d3), (zero, one, zero)),
            ((d6 >= 0) & (d5 <= d6), (zero, zero, one)),
        )
        for inside, weights in regions:
            out[inside] = np.stack(weights, -1)[inside]
    return out


def _dot(x, y):
    return (x * y).sum(-1)


def flip_edges(vertices, faces, rounds=6):
    """Flip edges that enlarge the smallest angle without creasing the surface."""
    faces = faces.copy()
    for _ in range(rounds):
        directed, _, edges = edge_tables(faces)
        neighbours = {}
        for a, b in edges:
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
        touched, flipped = set(), 0
        for a, b in sorted(edges):
            if (a, b) not in directed or (b, a) not in directed:
                continue
            i, j = directed[a, b], directed[b, a]
            if i in touched or j in touched:
                continue
            c = [v for v in faces[i] if v not in (a, b)][0]
            d = [v for v in faces[j] if v not in (a, b)][0]
            if not _valence_allows(neighbours, a, b, c, d):
                continue
            if not _shape_gains(vertices, a, b, c, d):
                continue
            faces[i], faces[j] = [a, d, c], [b, c, d]
            touched |= {i, j}
            flipped += 1
            neighbours[a].discard(b)
            neighbours[b].discard(a)
            neighbours[c].add(d)
            neighbours[d].add(c)
        if not flipped:
            break
    return faces


def _valence_allows(neighbours, a, b, c, d):
    if d in neighbours[c]:
        return False
    fewest = min(len(neighbours[a]), len(neighbours[b]))
    most = max(len(neighbours[c]), len(neighbours[d]))
    return fewest > 4 and most < 8


def _shape_gains(v, a, b, c, d):
    triangles = ((a, b, c), (b, a, d), (a, d, c), (b, c, d))
    normals = [np.cross(v[y] - v[x], v[z] - v[x]) for x, y, z in triangles]
    n = [normal / np.linalg.norm(normal) for normal in normals]
    turned = min(n[new] @ n[old] for new in (2, 3) for old in (0, 1))
    if n[2] @ n[3] < 0.2 or turned < 0.4 or n[2] @ n[3] < n[0] @ n[1] - 0.25:
        return False
    new = min(_smallest_angle(v[a], v[d], v[c]), _smallest_angle(v[b], v[c], v[d]))
    old = min(_smallest_angle(v[a], v[b], v[c]), _smallest_angle(v[b], v[a], v[d]))
    return new > old + 0.03


def _smallest_angle(a, b, c):
    return min(_angle(a, b, c), _angle(b, c, a), _angle(c, a, b))


def _angle(x, y, z):
    u, v = y - x, z - x
    cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    return np.arccos(np.clip(cosine, -1, 1))
