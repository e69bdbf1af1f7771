"""One predicted right hand in camera metres, and how the data sets want it."""

from typing import NamedTuple

import numpy as np
import torch
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.conventions import (
    HO3D_FROM_OPENPOSE,
    MILLIMETRES,
    NUM_JOINTS,
    OPENGL_AXES,
    OPENPOSE_FROM_INTERHAND,
    RIGHT,
    ROOTS,
    WRIST,
)
from mmhand_dne.errors import UserError

from .image_results import read_field


class AbsoluteHand(NamedTuple):
    """A right hand, float64."""

    joints: np.ndarray  # (21, 3) metres, camera axes, OpenPose order
    vertices: np.ndarray  # (V, 3) metres, camera axes


def check_root(metric: str, root: str) -> None:
    """Refuse an unknown value of ``root``, see :class:`OfficialScoreMetric`."""
    if root not in ROOTS:
        raise UserError(f'{metric}: root is {root!r}, expected one of {ROOTS}')


def joint_regressors(hand_model: dict, tips: str) -> np.ndarray:
    """Regressors of both hands, (2, 21, V) float64, OpenPose order.

    Args:
        hand_model: config of ``HandPair`` or ``SingleHand``.
        tips: name of the fingertip vertices, instead of the config's.
    """
    arguments = dict(hand_model, type='HandPair', tips=tips)
    arguments.pop('joints', None)  # of predictions; a mesh has regressed ones only
    return MODELS.build(arguments).joint_regressor.double().numpy()


def regress(regressor: np.ndarray, vertices: np.ndarray, image: str) -> np.ndarray:
    """(..., 21, V) on (..., V, 3) -> (..., 21, 3) float64; refuses another mesh."""
    if regressor.shape[-1] != vertices.shape[-2]:
        raise UserError(
            f'image {image}: the mesh has {vertices.shape[-2]} vertices, the hand '
            f'model {regressor.shape[-1]}; give the metric the hand_model of the run'
        )
    # Most vertices have no weight for any joint.
    used = np.flatnonzero(regressor.reshape(-1, regressor.shape[-1]).any(0))
    # In memory hand by hand, so that a product does not depend on how many there are.
    chosen = vertices[..., used, :].astype(np.float64, order='C')
    return regressor[..., used] @ chosen


def given_wrist(sample: dict, image: str) -> np.ndarray:
    """The annotated wrist of the right hand, (3,) metres, camera axes.

    Raises:
        ValueError: the image's annotation has no wrist.
    """
    labels, annotated = sample['gt_instance_labels'], _annotated_joints(sample, image)
    if not read_field(labels, 'hand_root_valid', (2,), image, 'root given')[RIGHT] > 0:
        raise UserError(
            f'image {image}: its annotation has no wrist to put the hand on; use '
            "root='predicted'"
        )
    return annotated[WRIST]


def predicted_hand(
    sample: dict, image: str, metric: str, root: str, regressor: np.ndarray | None
) -> AbsoluteHand:
    """The predicted right hand of an image; NaN where its camera gives no position.

    Args:
        sample: dict of a data sample with ``pred_instances``.
        image: as error sentences name it.
        metric: class that asks.
        root: see :class:`OfficialScoreMetric`.
        regressor: (21, V), or None for the model's own joints.
    """
    fields = sample.get('pred_instances')
    if not fields:
        raise UserError(
            f'image {image}: no prediction; run the model before the metric'
        )

    def read(key: str, *shape: int, finite: bool = True) -> np.ndarray:
        return read_field(fields, key, shape, image, metric, finite)[RIGHT].numpy()

    vertices = read('hand_vertices', 2, -1, 3)
    if regressor is None:
        joints = read('hand_joints', 2, NUM_JOINTS, 3)
    else:
        joints = regress(regressor, vertices, image)
    if root == 'given':
        origin = given_wrist(sample, image) - joints[WRIST]
    else:
        origin = read('hand_root_cam', 2, 3, finite=False)
    return AbsoluteHand(joints + origin, vertices + origin)


def ground_truth_hand(sample: dict, image: str, metric: str) -> AbsoluteHand | None:
    """The annotated right hand of an image; None without all joints and the mesh.

    Joints are the annotation's own (``keypoints_cam``), never those of the mesh: for
    HO-3D the two differ.
    """
    labels = sample.get('gt_instance_labels', {})

    def read(key: str, *shape: int) -> Tensor:
        return read_field(labels, key, shape, image, metric)[RIGHT]

    joints_valid = read('hand_joints_valid', 2, NUM_JOINTS) > 0
    if not (joints_valid.all() and read('hand_vertices_valid', 2) > 0):
        return None
    vertices = read('hand_vertices', 2, -1, 3) + read('hand_root_cam', 2, 3)
    return AbsoluteHand(_annotated_joints(sample, image), vertices.numpy())


def to_official(points: np.ndarray, protocol: str, joints: bool) -> np.ndarray:
    """Camera axes and OpenPose order to a data set's own; (..., N, 3) metres.

    Args:
        protocol: 'freihand' has both already; 'ho3d' is in OpenGL axes.
        joints: points are 21 joints, else vertices.
    """
    if protocol != 'ho3d':
        return points
    return (points[..., HO3D_FROM_OPENPOSE, :] if joints else points) * OPENGL_AXES


def _annotated_joints(sample: dict, image: str) -> np.ndarray:
    """(21, 3) metres, camera axes, OpenPose order; zeros where not annotated."""
    found = sample.get('gt_instances', {}).get('keypoints_cam')
    found = None if found is None else torch.as_tensor(found).double().numpy()
    if found is None or found.shape != (1, 2 * NUM_JOINTS, 3):
        shape = None if found is None else found.shape
        raise UserError(
            f'image {image}: gt_instances.keypoints_cam has shape {shape}, expected '
            f'(1, {2 * NUM_JOINTS}, 3); pack the sample with PackHandInputs'
        )
    return found[0, :NUM_JOINTS][OPENPOSE_FROM_INTERHAND] / MILLIMETRES
