"""Results as binary glTF 2.0: one named node, mesh and material per hand.

A node stands where its wrist is (``translation``), its mesh is relative to that. Axes
are glTF's: x right, y up, z backward, metres. A node's ``extras`` hold the side and the
presence.
"""

import json
import struct

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult

from .viewer_scene import SceneHand, scene_of

MAGIC, JSON_CHUNK, BINARY_CHUNK = b'glTF', b'JSON', b'BIN\0'
FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125  # component types
VERTICES, INDICES = 34962, 34963  # targets of buffer views
TRIANGLES = 4
ROUGHNESS = 0.75  # of skin, about
MOST_SHORT = 65534  # highest index that 16 bits can hold, 65535 being reserved


def glb_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file; none without hands."""
    scene = scene_of(result)
    if not scene:
        return []
    tree = dict(
        asset=dict(version='2.0', generator='mmhand_dne'),
        scene=0,
        scenes=[dict(name='hands', nodes=list(range(len(scene))))],
        nodes=[],
        meshes=[],
        materials=[],
        accessors=[],
        bufferViews=[],
        buffers=[],
    )
    binary = bytearray()
    for number, (shape, hand) in enumerate(zip(scene, result.hands)):
        tree['nodes'].append(
            dict(
                name=shape.name,
                mesh=number,
                translation=[float(value) for value in shape.translation],
                extras=dict(
                    side=hand.side,
                    presence=round(float(hand.presence), 4),
                    metric=bool(hand.metric),
                ),
            )
        )
        tree['materials'].append(_material(shape))
        tree['meshes'].append(
            dict(name=shape.name, primitives=[_primitive(shape, number, tree, binary)])
        )
    tree['buffers'].append(dict(byteLength=len(binary)))
    return [('.glb', _container(tree, bytes(binary)))]


def _material(shape: SceneHand) -> dict:
    linear = [_linear(value / 255) for value in shape.color]
    return dict(
        name=f'{shape.name}_skin',
        pbrMetallicRoughness=dict(
            baseColorFactor=[*linear, 1.0],
            metallicFactor=0.0,
            roughnessFactor=ROUGHNESS,
        ),
    )


def _linear(value: float) -> float:
    """sRGB to the linear light that glTF's factors are in."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _primitive(shape: SceneHand, material: int, tree: dict, binary: bytearray) -> dict:
    points = shape.vertices.astype('<f4')
    bounds = dict(min=points.min(0).tolist(), max=points.max(0).tolist())
    kind, code = (
        ('<u2', UNSIGNED_SHORT)
        if len(points) <= MOST_SHORT + 1
        else ('<u4', UNSIGNED_INT)
    )
    indices = shape.faces.astype(kind).ravel()
    return dict(
        attributes=dict(
            POSITION=_accessor(points, FLOAT, 'VEC3', VERTICES, tree, binary, bounds),
            NORMAL=_accessor(
                _unit(shape.normals), FLOAT, 'VEC3', VERTICES, tree, binary
            ),
        ),
        indices=_accessor(indices, code, 'SCALAR', INDICES, tree, binary),
        material=material,
        mode=TRIANGLES,
    )


def _unit(normals: np.ndarray) -> np.ndarray:
    """Unit vectors also where a vertex has no face, float32."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 0, normals / np.maximum(length, 1e-12), (0, 0, 1.0))
    return normals.astype('<f4')


def _accessor(
    array: np.ndarray,
    code: int,
    kind: str,
    target: int,
    tree: dict,
    binary: bytearray,
    bounds: dict | None = None,
) -> int:
    """Append an array to the buffer, aligned to 4 bytes; index of its accessor."""
    content = array.tobytes()
    tree['bufferViews'].append(
        dict(buffer=0, byteOffset=len(binary), byteLength=len(content), target=target)
    )
    binary += content + b'\0' * (-len(content) % 4)
    tree['accessors'].append(
        dict(
            bufferView=len(tree['bufferViews']) - 1,
            componentType=code,
            count=len(array),
            type=kind,
            **(bounds or {}),
        )
    )
    return len(tree['accessors']) - 1


def _container(tree: dict, binary: bytes) -> bytes:
    text = json.dumps(tree, allow_nan=False, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 4)
    chunks = b''.join(
        struct.pack('<I4s', len(content), kind) + content
        for kind, content in ((JSON_CHUNK, text), (BINARY_CHUNK, binary))
    )
    return struct.pack('<4sII', MAGIC, 2, 12 + len(chunks)) + chunks
