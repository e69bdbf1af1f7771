"""The hands of one image of InterHand2.6M as a raw sample has them."""

from collections.abc import Mapping
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
    present = np.array(HAND_TYPES[hand_type], np.float32)
    known = np.where(present > 0, in_image.any(-1), ~annotated.any(-1))
    return dict(
        hand_presence=present,
        hand_presence_valid=(known & (type_valid > 0)).astype(np.float32),
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
    row = parameter_row(
        dict(
            pose=_known(pose, known).reshape(2, NUM_ROTATIONS, 3),
            betas=_known(frame.betas, known),
            translation=_known(frame.translation - camera.position, known),
            joints=_known(frame.joints - camera.position, frame.joints_valid),
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


def _known(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Zeros in place of the last axis where the mask is not set."""
    return values if mask.all() else np.where(mask[..., None], values, 0)
