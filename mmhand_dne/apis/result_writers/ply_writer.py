"""Results as binary PLY: all hands in one mesh, normals, colours, the hand's number."""

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult

from .viewer_scene import scene_of

VERTEX = np.dtype(
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
FACE = np.dtype([('count', 'u1'), ('corners', '<i4', 3)])
NAMES = {'<f8': 'double', '<f4': 'float', '|u1': 'uchar'}


def ply_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file; none without hands. ``hand`` counts the hands from 0."""
    scene = scene_of(result)
    if not scene:
        return []
    vertices, faces, first = [], [], 0
    for number, hand in enumerate(scene):
        rows = np.zeros(len(hand.vertices), VERTEX)
        places = hand.vertices + hand.place
        for names, values in (
            (('x', 'y', 'z'), places),
            (('nx', 'ny', 'nz'), hand.normals),
        ):
            for axis, name in enumerate(names):
                rows[name] = values[:, axis]
        for name, value in zip(('red', 'green', 'blue'), hand.color):
            rows[name] = value
        rows['hand'] = number
        corners = np.zeros(len(hand.faces), FACE)
        corners['count'], corners['corners'] = 3, hand.faces + first
        vertices.append(rows)
        faces.append(corners)
        first += len(rows)
    vertices, faces = np.concatenate(vertices), np.concatenate(faces)
    header = _header(len(vertices), len(faces), [hand.name for hand in scene])
    return [('.ply', header.encode() + vertices.tobytes() + faces.tobytes())]


def _header(vertices: int, faces: int, names: list[str]) -> str:
    properties = [f'property {NAMES[VERTEX[name].str]} {name}' for name in VERTEX.names]
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
