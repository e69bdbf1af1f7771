"""What all data sets of hand meshes have in common."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmhand_dne.conventions import (
    INTERHAND_FROM_OPENPOSE,
    MILLIMETRES,
    WRIST,
)
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.hand_model import HandPair

from .indexed_dataset import IndexedDataset


class HandMeshDataset(IndexedDataset):
    """Base of the data sets of hand meshes: MMPose's keypoint names and a hand model.

    Args:
        hand_model: config of :class:`HandPair` or :class:`SingleHand`: the hand that
            the meshes and parameters are of.

    Other arguments: see MMEngine's ``BaseDataset``.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/interhand3d.py')

    def __init__(self, hand_model: dict, **kwargs) -> None:
        self.pair = pair_of(hand_model)
        super().__init__(**kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        with quiet_metainfo():
            return parse_pose_metainfo({**cls.METAINFO, **(metainfo or {})})


@contextmanager
def quiet_metainfo() -> Iterator[None]:
    """MMPose warns that it found the file in its own package, as intended."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'The metainfo config file')
        yield


def pair_of(hand_model: dict) -> HandPair:
    """Both hands of a model's ``hand_model`` config."""
    arguments = dict(hand_model)
    # A one-hand model's other choices concern predictions: true joints are always
    # measured from the mesh. The scope is MMEngine's, of a base by package.
    for key in ('type', 'joints', '_scope_'):
        arguments.pop(key, None)
    return HandPair(**arguments)


def mmpose_fields(info: dict) -> dict:
    """What MMPose's InterHandMetric and visualisers read, of the original image.

    Camera millimetres, InterHand order; always the joint annotation, never the mesh's
    joints. Validity as in MMPose's data set: annotated, in the image, and of a hand
    whose wrist is.

    Args:
        info: ``joints_cam``, ``joints_valid``, ``joint_in_image``, ``intrinsics``.
    """
    joints, intrinsics = MILLIMETRES * info['joints_cam'], info['intrinsics']
    depth = joints[:, WRIST, 2]
    seen = info['joint_in_image']
    seen = seen & seen[:, WRIST, None] & info['joints_valid']
    pixels = project_perspective(joints, intrinsics, seen)
    keypoints = np.concatenate(
        [pixels, (joints[..., 2] - depth[:, None])[..., None]], -1
    )
    keypoints = np.where(seen[..., None], keypoints, 0)

    def as_interhand(values: np.ndarray) -> np.ndarray:
        values = values[:, INTERHAND_FROM_OPENPOSE]
        return values.reshape(1, 42, *values.shape[2:]).astype(np.float32)

    return dict(
        keypoints=as_interhand(keypoints),
        keypoints_cam=as_interhand(joints),
        keypoints_visible=as_interhand(seen),
        abs_depth=depth,
        focal=np.diag(intrinsics)[:2].copy(),
        principal_pt=intrinsics[:2, 2].copy(),
    )
