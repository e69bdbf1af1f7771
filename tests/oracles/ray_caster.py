"""What the pixels of a mesh show, by casting a ray a pixel with trimesh."""

import numpy as np
import trimesh


def cast_pixels(vertices_cam, faces, intrinsics, size):
    """Nearest hit of the ray through each pixel centre.

    Args:
        vertices_cam: (V, 3) camera coordinates.
        faces: (F, 3).
        intrinsics: (3, 3) pixels.
        size: (height, width).
    Returns: face (h, w) int, -1 where nothing is hit; place (h, w, 3).
    """
    height, width = size
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([column, row, np.ones_like(row)], -1).reshape(-1, 3)
    rays = pixels @ np.linalg.inv(intrinsics).T
    mesh = trimesh.Trimesh(vertices_cam, faces, process=False)
    face, ray, place = mesh.ray.intersects_id(
        np.zeros_like(rays), rays, multiple_hits=True, return_locations=True
    )
    order = np.lexsort((face, place[:, 2], ray))
    ray, first = np.unique(ray[order], return_index=True)
    nearest = order[first]
    faces_seen = np.full(height * width, -1)
    places = np.zeros((height * width, 3))
    faces_seen[ray], places[ray] = face[nearest], place[nearest]
    return faces_seen.reshape(size), places.reshape(height, width, 3)
