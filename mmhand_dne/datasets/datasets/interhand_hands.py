"""The hands of one image of InterHand2.6M as a raw sample has them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch

from mmhand_dne.conventions import HAND_TYPES, NUM_ROTATIONS, WRIST
from mmhand_dne.datasets.readers.interhand_annotations import (
    InterHandCamera,
    InterHandFrame,
)
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.hand_parameters import parameter_row


@torch.no_grad()
def add_meshes(
    info: dict, pair: HandPair, frame: InterHandFrame, camera: InterHandCamera
) -> None:
    """Write true meshes and MANO parameters, in camera axes, into a raw sample.

    Args:
        info: :func:`empty_sample` or more; slots without MANO stay as they are.
    """
    for slot in np.flatnonzero(frame.mano_valid):
        layer = (pair.right, pair.left)[slot]
        rotations = layer.absolute_pose(
            torch.from_numpy(frame.pose[slot].astype(np.float32)), mean=True
        )
        betas = torch.from_numpy(frame.betas[slot].astype(np.float32))
        world = layer(rotations, betas)
        points = world.double().numpy() + frame.translation[slot]
        points = (points - camera.position) @ camera.rotation.T
        joints = pair.joint_regressor[slot].double().numpy() @ points
        root, absolute = joints[WRIST], rotations.numpy()
        info['mesh_root'][slot] = root
        info['mesh_vertices'][slot] = points - root
        info['mesh_joints'][slot] = joints - root
        info['mano_rotations'][slot] = absolute
        info['mano_rotations'][slot, 0] = camera.rotation @ absolute[0]
        info['mano_betas'][slot] = frame.betas[slot]
        info['mano_valid'][slot] = info['mesh_valid'][slot] = True


def presence_fields(
    hand_type: str, type_valid: int, annotated: np.ndarray, in_image: np.ndarray
) -> dict:
    """Which hands are there, and whether that is known, see
    :class:`InterHandMeshDataset`.

    Args:
        hand_type: 'right', 'left' or 'interacting'.
        type_valid: 0 or 1.
        annotated, in_image: (2, 21) bool, of joints.
    """
    shown = HAND_TYPES[hand_type]
    # A joint in the image proves a hand, one annotated elsewhere that none is missing.
    known = [
        type_valid > 0 and (seen.any() if there else not joints.any())
        for there, seen, joints in zip(shown, in_image, annotated)
    ]
    present = np.array(shown, np.float32)
    return dict(
        hand_presence=present,
        hand_presence_valid=np.array(known, np.float32),
        hand_type=present[None],
        hand_type_valid=np.array([type_valid]),
    )


def unposed_fields(
    pair: HandPair,
    frame: InterHandFrame,
    camera: InterHandCamera,
    shown: Mapping[str, np.ndarray],
    source: str,
) -> dict:
    """What :func:`add_meshes` poses and its annotated joints, as parameters.

    Args:
        shown: :func:`presence_fields`.
        source: what to name in an error.
    """
    known = frame.mano_valid
    # As MANOLayer.absolute_pose, in float32 too.
    pose = frame.pose.astype(np.float32)
    pose[:, 3:] += _mean_pose(pair)
    of_hands = pose, frame.betas, frame.translation - camera.position
    pose, betas, translation = _known(known, *of_hands)
    (joints,) = _known(frame.joints_valid, frame.joints - camera.position)
    row = parameter_row(
        dict(
            pose=pose.reshape(2, NUM_ROTATIONS, 3),
            betas=betas,
            translation=translation,
            joints=joints,
            mano_valid=known,
            joints_valid=frame.joints_valid,
            presence=shown['hand_presence'],
            presence_valid=shown['hand_presence_valid'],
        ),
        source,
    )
    return dict(
        hand_parameters=row,
        parameter_axes=camera.rotation,
        hand_name=pair.name,
        hand_type=shown['hand_type'],
        hand_type_valid=shown['hand_type_valid'],
        intrinsics=camera.intrinsics.copy(),
    )


@lru_cache(maxsize=8)
def _mean_pose(pair: HandPair) -> np.ndarray:
    """(2, 45) radians, of the right and the left hand."""
    return np.stack([hand.hands_mean.numpy() for hand in (pair.right, pair.left)])


def _known(mask: np.ndarray, *values: np.ndarray) -> Sequence[np.ndarray]:
    """Zeros in place of the last axis where the mask is not set."""
    if mask.all():
        return values
    return [np.where(mask[..., None], each, 0) for each in values]
