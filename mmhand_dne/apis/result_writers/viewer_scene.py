"""The hands of an image as named meshes in a viewer's axes."""

from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import OPENGL_AXES, SIDES
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.canvas.mesh_renderer import HAND_COLORS

# From camera axes (x right, y down, z forward) to x right, y up, z backward: 180
# degrees about x, so that faces keep their winding.


class SceneHand(NamedTuple):
    """One hand in viewer axes: x right, y up, z backward, metres.

    Attributes:
        name: 'right_hand', 'left_hand', with a number where there are several.
        vertices: (V, 3) from the own wrist.
        normals: (V, 3) unit, outward.
        faces: (F, 3) counter-clockwise from outside.
        translation: (3,) of the wrist; 0 where that is unknown.
        color: (3,) 0 to 255, sRGB.
    """

    name: str
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    translation: np.ndarray
    color: tuple


def scene_of(result: ImageResult) -> list[SceneHand]:
    """The hands of an image; none where it shows none."""
    count: dict[str, int] = {}
    scene = []
    for hand in result.hands:
        number = count[hand.side] = count.get(hand.side, 0) + 1
        vertices = hand.vertices.astype(np.float64) * OPENGL_AXES
        normals = vertex_normals(
            torch.from_numpy(vertices), torch.from_numpy(np.asarray(hand.faces))
        )
        translation = hand.translation.astype(np.float64) * OPENGL_AXES
        scene.append(
            SceneHand(
                f'{hand.side}_hand' + (f'_{number}' if number > 1 else ''),
                vertices,
                normals.numpy(),
                np.asarray(hand.faces),
                translation if np.isfinite(translation).all() else np.zeros(3),
                HAND_COLORS[SIDES.index(hand.side)],
            )
        )
    return scene
