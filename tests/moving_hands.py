"""Typed results of a hand that moves, as a model would give them, noise included."""

from functools import cache

import numpy as np
import torch

from mmhand_dne.apis.temporal.posed_hand import PosedHand
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.hand_result import HandResult, ImageResult, ManoParameters

SIZE = 128  # of the crops
AFFINE = np.array([[0.5, 0.0, 10.0], [0.0, 0.5, -5.0]], np.float32)
CAMERA = np.array([[600.0, 0, 150], [0, 620.0, 110], [0, 0, 1]])


@cache
def hand_pair() -> HandPair:
    return HandPair().double()


def smooth_vectors(frames: int, start: int = 0, length: float = 40.0) -> np.ndarray:
    """(frames, 48) axis-angle of a slowly closing and rotating hand."""
    time = (start + np.arange(frames)) / length
    vectors = np.zeros((frames, 48))
    vectors[:, :3] = np.stack([time, 0.5 * time**2, 0.3 * np.sin(2 * time)], 1)
    vectors[:, 3:] = 0.2 * np.sin(time)[:, None] * np.linspace(0.2, 1, 45)
    return vectors


def make_hand(
    vectors: np.ndarray,
    betas: np.ndarray,
    wrist: np.ndarray,
    side: str = 'right',
    presence: float = 0.9,
    refined: float | None = 0.0,
    covariance: np.ndarray | None = None,
) -> HandResult:
    """One result.

    Args:
        vectors: (48,) axis-angle.
        wrist: (3,) camera metres.
        refined: metres that a refinement adds to the mesh, None for a model without
            one.
        covariance: (60, 60) m^2.
    """
    rotations = matrix_from_axis_angle(torch.from_numpy(vectors.reshape(1, 16, 3)))
    posed = PosedHand(hand_pair(), side)(rotations.numpy(), betas)
    coarse, joints, root = (value[0] for value in posed)
    bump = 0.0 if refined is None else refined * np.sin(30 * coarse)
    vertices = coarse + bump
    if np.any(bump):
        slot = int(side == 'left')
        joints = hand_pair().joint_regressor[slot].numpy() @ vertices
        vertices, joints = vertices - joints[:1], joints - joints[:1]
    fields = dict(
        seen_fields(vertices, joints, None if refined is None else coarse, wrist),
        **({} if covariance is None else error_bars(covariance)),
    )
    mano = ManoParameters(
        *(
            np.float32(value)
            for value in (vectors[:3], vectors[3:], betas, wrist - root)
        )
    )
    return HandResult(
        side=side,
        presence=presence,
        mano=mano,
        metric=True,
        faces=hand_pair().faces[int(side == 'left')].numpy(),
        **{name: np.float32(value) for name, value in fields.items()},
    )


def seen_fields(
    vertices: np.ndarray,
    joints: np.ndarray,
    coarse: np.ndarray | None,
    wrist: np.ndarray,
) -> dict[str, np.ndarray]:
    """A mesh in front of a scaled orthographic camera that agrees at the wrist."""
    scale = np.array([CAMERA[0, 0], CAMERA[1, 1]]) / wrist[2]
    seen = (CAMERA @ wrist)[:2] / wrist[2]
    half = SIZE / 2
    shift = (AFFINE.diagonal() * seen + AFFINE[:, 2] + 0.5) / half - 1
    meshes = dict(vertices=vertices, joints=joints)
    if coarse is not None:
        meshes['coarse_vertices'] = coarse
    return dict(
        meshes,
        **{f'{name}_2d': mesh[:, :2] * scale + seen for name, mesh in meshes.items()},
        translation=wrist,
        intrinsics=CAMERA,
        box=[10, 10, 90, 90],
        crop_camera=np.stack([AFFINE.diagonal() * scale / half, shift], 1),
        crop_affine=AFFINE,
    )


def error_bars(covariance: np.ndarray) -> dict[str, np.ndarray]:
    """The fields that a covariance (60, 60) fills."""
    blocks = np.zeros((21, 3, 3))
    blocks[1:] = np.einsum('iaib->iab', covariance.reshape(20, 3, 20, 3))
    return dict(
        joint_covariance_full=covariance,
        joint_covariance=blocks,
        joint_std=1000 * np.sqrt(np.trace(blocks, axis1=1, axis2=2)),
    )


def frame(index: int, *hands: HandResult, decoded: bool = True) -> ImageResult:
    size = (320, 240) if decoded else (0, 0)
    problem = '' if hands else f'video.avi: frame {index} has no hand'
    return ImageResult('video.avi', index, size, hands, problem)
