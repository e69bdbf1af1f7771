"""Results as meshes in a viewer's axes: Wavefront OBJ, and PLY."""

from functools import lru_cache

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult

from .viewer_scene import scene_of

OBJ_HEADER = """# mmhand_dne: hands of one picture, metres
# x right, y up, z backward; the camera stands at the origin and looks along -z
"""
PLY_VERTEX = np.dtype(
    [
        ('x', '<f8'),
        ('y', '<f8'),
        ('z', '<f8'),
        ('nx', '<f4'),
        ('ny', '<f4'),
        ('nz', '<f4'),
        ('red', 'u1'),
        ('green', 'u1'),
        ('blue', 'u1'),
        ('hand', 'u1'),
    ]
)
PLY_FACE = np.dtype([('count', 'u1'), ('corners', '<i4', 3)])
PLY_NAMES = {'<f8': 'double', '<f4': 'float', '|u1': 'uchar'}


def obj_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One Wavefront OBJ, none without hands: one object per hand, normals, colours
    beside the vertices.
    """
    scene = scene_of(result)
    if not scene:
        return []
    lines, first = [OBJ_HEADER], 1
    for hand in scene:
        lines.append(f'o {hand.name}\n')
        tint = ' '.join(f'{value / 255:.4f}' for value in hand.color)
        lines += [
            _rows(f'v %.8g %.8g %.8g {tint}\n', hand.vertices + hand.translation),
            _rows('vn %.5f %.5f %.5f\n', hand.normals),
            _face_rows(np.ascontiguousarray(hand.faces + first, np.int64).tobytes()),
        ]
        first += len(hand.vertices)
    return [('.obj', ''.join(lines).encode())]


def _rows(form: str, rows: np.ndarray) -> str:
    """Rows (N, K) of numbers by one form."""
    return form * len(rows) % tuple(rows.ravel().tolist())


@lru_cache(maxsize=8)
def _face_rows(faces: bytes) -> str:
    """Rows of faces, int64 as bytes, which the hands of every picture have again."""
    corners = np.frombuffer(faces, np.int64).reshape(-1, 3)
    return _rows('f %d//%d %d//%d %d//%d\n', np.repeat(corners, 2, axis=1))


def ply_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One binary PLY, none without hands: all hands in one mesh, with normals, colours
    and ``hand``, which counts the hands from 0.
    """
    scene = scene_of(result)
    if not scene:
        return []
    vertices, faces, first = [], [], 0
    for number, hand in enumerate(scene):
        rows = np.zeros(len(hand.vertices), PLY_VERTEX)
        positions = hand.vertices + hand.translation
        for names, values in (
            (('x', 'y', 'z'), positions),
            (('nx', 'ny', 'nz'), hand.normals),
        ):
            for axis, name in enumerate(names):
                rows[name] = values[:, axis]
        for name, value in zip(('red', 'green', 'blue'), hand.color):
            rows[name] = value
        rows['hand'] = number
        corners = np.zeros(len(hand.faces), PLY_FACE)
        corners['count'], corners['corners'] = 3, hand.faces + first
        vertices.append(rows)
        faces.append(corners)
        first += len(rows)
    vertices, faces = np.concatenate(vertices), np.concatenate(faces)
    header = _ply_header(len(vertices), len(faces), [hand.name for hand in scene])
    return [('.ply', header.encode() + vertices.tobytes() + faces.tobytes())]


def _ply_header(vertices: int, faces: int, names: list[str]) -> str:
    properties = [
        f'property {PLY_NAMES[PLY_VERTEX[name].str]} {name}'
        for name in PLY_VERTEX.names
    ]
    return '\n'.join(
        [
            'ply',
            'format binary_little_endian 1.0',
            'comment mmhand_dne: metres; x right, y up, z backward',
            f'comment hands: {", ".join(names)}',
            f'element vertex {vertices}',
            *properties,
            f'element face {faces}',
            'property list uchar int vertex_indices',
            'end_header',
            '',
        ]
    )
