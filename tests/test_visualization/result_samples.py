"""Typed results of posed CC0 hands over a rendering of them."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from mmhand_dne.geometry.mesh import face_normals
from mmhand_dne.structures.hand_result import HandResult, ImageResult, ManoParameters
from mmhand_dne.visualization.canvas.mesh_renderer import (
    perspective_surface,
    render_overlay,
)
from tests.test_visualization.panel_samples import SKIN, UPRIGHT, hand_pair, posed_hands

SIZE = (300, 200)  # width, height
FOCAL = 330.0
WRISTS = np.array([[0.055, 0.08, 0.80], [-0.055, 0.08, 0.74]])
CROP = np.array([[0.8, 0.0, -40.0], [0.0, 0.8, -10.0]])
CROP_SIDE = 128


def intrinsics(size=SIZE, focal=FOCAL):
    return np.array(
        [[focal, 0, size[0] / 2 - 0.5], [0, focal, size[1] / 2 - 0.5], [0, 0, 1.0]]
    )


def covariances(scale=1.0):
    """Error bars that grow towards the fingertips, longest along the line of sight."""
    full = np.zeros((60, 60))
    for row in range(20):
        depth = 1 + row % 4
        block = np.diag([1.0, 1.0, 3.0]) * (scale * 0.0013 * depth) ** 2
        full[3 * row : 3 * row + 3, 3 * row : 3 * row + 3] = block
    own = np.zeros((21, 3, 3))
    own[1:] = [full[i : i + 3, i : i + 3] for i in range(0, 60, 3)]
    return own, full


def make_hand(slot, uncertain=True, refined=True, metric=True, shift=0.0):
    """The hand of a slot (0 right, 1 left); ``shift`` pixels to the right."""
    vertices, joints = (x[slot].double().numpy() for x in posed_hands())
    wrist = WRISTS[slot]
    scale = FOCAL / wrist[2]
    center = intrinsics() @ wrist / wrist[2]

    def seen(points, zoom=1.0):
        return zoom * scale * points[:, :2] + center[:2] + (shift, 0)

    vertices_2d = seen(vertices)
    own, full = covariances(1.0 + slot)
    std = 1000 * np.sqrt(np.trace(own, axis1=1, axis2=2))
    rotation = Rotation.from_matrix(UPRIGHT[slot].double().numpy())
    offset = CROP[:, 2] + 0.8 * (center[:2] + (shift, 0))
    camera = np.stack(
        [np.full(2, 0.8 * scale * 2 / CROP_SIDE), (2 * offset + 1) / CROP_SIDE - 1],
        axis=-1,
    )
    return HandResult(
        side=('right', 'left')[slot],
        presence=0.97 - 0.1 * slot,
        vertices=vertices,
        joints=joints,
        faces=hand_pair().faces[slot].numpy(),
        mano=ManoParameters(rotation.as_rotvec(), np.zeros(45), np.zeros(10), wrist),
        translation=wrist,
        intrinsics=intrinsics(),
        metric=metric,
        joints_2d=seen(joints),
        vertices_2d=vertices_2d,
        box=np.concatenate([vertices_2d.min(axis=0), vertices_2d.max(axis=0)]),
        crop_camera=camera,
        crop_affine=CROP,
        coarse_vertices=1.1 * vertices if refined else None,
        coarse_vertices_2d=seen(1.1 * vertices) if refined else None,
        joint_covariance=own if uncertain else None,
        joint_covariance_full=full if uncertain else None,
        joint_std=std if uncertain else None,
    )


@lru_cache(maxsize=1)
def sample_image():
    """(h, w, 3) uint8 RGB: the hands in skin colour."""
    vertices, _ = posed_hands()
    surfaces = [
        perspective_surface(
            vertices[slot] + vertices.new_tensor(WRISTS[slot]),
            vertices.new_tensor(intrinsics()),
            hand_pair().faces[slot],
            SKIN,
        )
        for slot in range(2)
    ]
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    image = np.stack([60 + rows // 4, 80 + columns // 5, 90 + 0 * rows], -1)
    return render_overlay(image.astype(np.uint8), surfaces, alpha=1.0)


def make_result(hands=None, **changes):
    """A result of the image; both hands with all that a hand can have."""
    hands = (make_hand(0), make_hand(1)) if hands is None else tuple(hands)
    return replace(ImageResult('photo.jpg', 0, SIZE, hands), **changes)


def outward(vertices, faces):
    """Signed volume's sign: whether faces are wound outwards."""
    normals = face_normals(vertices, faces)
    return (normals * vertices[faces].mean(1)).sum() > 0
