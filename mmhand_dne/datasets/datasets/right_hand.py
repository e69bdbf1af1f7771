"""What data sets of one right hand an image have in common."""
import warnings
from typing import NamedTuple, Optional

import numpy as np
from mmengine.dataset import BaseDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmhand_dne.datasets.draws import DrawKey, draws_of
from mmhand_dne.hand_model import INTERHAND_JOINTS, OPENPOSE_JOINTS, WRIST, HandPair
from mmhand_dne.hand_model.skeleton import reorder

INTERHAND_FROM_OPENPOSE = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
MILLIMETRES = 1000.0  # in a metre


class RightHand(NamedTuple):
    """What a source knows of a right hand, in camera axes; None where it does not.

    A mesh without MANO parameters is normal (released evaluation truth).
    """

    joints: np.ndarray  # (21, 3) metres, OpenPose order, zeros where invalid
    joints_valid: np.ndarray  # (21,) bool
    vertices: Optional[np.ndarray] = None  # (V, 3) metres
    rotations: Optional[np.ndarray] = None  # (16, 3, 3) absolute
    betas: Optional[np.ndarray] = None  # (10,)


class RightHandMeshDataset(BaseDataset):
    """Base of the data sets whose images are annotated for one right hand.

    Their samples are those of :class:`InterHandMeshDataset`: the hand in slot 0, the
    left hand's slot masked. Nothing is annotated about a left hand, not even its
    absence, so neither its presence nor the hand type counts as known [decided].

    Args:
        hand_model: config of :class:`HandPair` or :class:`SingleHand`: the hand that
            the meshes and parameters are of.

    Other arguments: see MMEngine's ``BaseDataset``.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/interhand3d.py')

    def __init__(self, hand_model: dict, **kwargs):
        arguments = dict(hand_model)
        # A one-hand model's other choices concern predictions.
        for key in ('type', 'joints'):
            arguments.pop(key, None)
        self.pair = HandPair(**arguments)
        super().__init__(**kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo=None):
        with warnings.catch_warnings():
            # MMPose warns that it found the file in its own package, as intended.
            warnings.filterwarnings('ignore', 'The metainfo config file')
            return parse_pose_metainfo({**cls.METAINFO, **(metainfo or {})})

    def fields(self, hand: RightHand, intrinsics: np.ndarray, size: tuple,
               box: Optional[np.ndarray] = None) -> dict:
        """The fields that transforms and MMPose's metrics read.

        Args:
            hand: its truth.
            intrinsics: (3, 3) pixels.
            size: (W, H) of the image, pixels.
            box: (4,) x, y, w, h; by default the tight box of the projected joints.
        """
        pixels = project(hand.joints, hand.joints_valid, intrinsics)
        inside = ((pixels >= 0) & (pixels <= np.array(size) - 1)).all(-1)
        info = dict(
            width=size[0], height=size[1], intrinsics=intrinsics,
            bbox=tight_box(pixels[hand.joints_valid]) if box is None else box,
            joints_cam=slot_of(hand.joints),
            joints_valid=slot_of(hand.joints_valid),
            joint_in_image=slot_of(inside & hand.joints_valid),
            hand_presence=np.float32([1, 0]), hand_presence_valid=np.float32([1, 0]),
            hand_type=np.float32([[1, 0]]), hand_type_valid=np.array([0]),
            **self._mesh_fields(hand))
        info.update(mmpose_fields(info))
        return info

    def _mesh_fields(self, hand: RightHand) -> dict:
        has_mesh, has_mano = hand.vertices is not None, hand.rotations is not None
        vertices = np.zeros(tuple(self.pair.template.shape[1:]))
        joints, root = np.zeros((21, 3)), np.zeros(3)
        if has_mesh:
            joints = self.pair.joint_regressor[0].double().numpy() @ hand.vertices
            root = joints[WRIST]
            vertices, joints = hand.vertices - root, joints - root
        turns = np.tile(np.eye(3), (2, 16, 1, 1))
        if has_mano:
            turns[0] = hand.rotations
        return dict(
            mesh_vertices=slot_of(vertices), mesh_joints=slot_of(joints),
            mesh_root=slot_of(root), mesh_valid=np.array([has_mesh, False]),
            mano_rotations=turns,
            mano_betas=slot_of(hand.betas if has_mano else np.zeros(10)),
            mano_valid=np.array([has_mano, False]))

    def prepare_data(self, idx):
        """Run the pipeline, with draws from the key if the index carries one."""
        if isinstance(idx, DrawKey):
            with draws_of(idx):
                return super().prepare_data(idx)
        return super().prepare_data(idx)

    def __getitem__(self, idx) -> dict:
        """The packed sample; nothing is skipped or replaced by another."""
        if not self._fully_initialized:
            self.full_init()
        return self.prepare_data(idx)


def slot_of(value: np.ndarray) -> np.ndarray:
    """(...) of the right hand to (2, ...), zeros for the left."""
    value = np.asarray(value)
    return np.stack([value, np.zeros_like(value)])


def project(points: np.ndarray, valid: np.ndarray, intrinsics: np.ndarray):
    """(N, 3) camera metres to (N, 2) pixels, -1 where not valid."""
    image = points @ intrinsics.T
    pixels = image[:, :2] / np.where(valid, image[:, 2], 1)[:, None]
    return np.where(valid[:, None], pixels, -1)


def tight_box(pixels: np.ndarray) -> np.ndarray:
    """(x, y, w, h) of points (N, 2)."""
    low, high = pixels.min(0), pixels.max(0)
    return np.concatenate([low, high - low])


def mmpose_fields(info: dict) -> dict:
    """What MMPose's InterHandMetric and visualisers read, of the original image.

    Camera millimetres, InterHand order; always the joint annotation, never the mesh's
    joints. Validity as in MMPose's data set: annotated, in the image, and of a hand
    whose wrist is.
    """
    joints, intrinsics = MILLIMETRES * info['joints_cam'], info['intrinsics']
    depth = joints[:, WRIST, 2]
    seen = info['joint_in_image']
    seen = seen & seen[:, WRIST, None] & info['joints_valid']
    pixels = joints @ intrinsics.T
    pixels = pixels[..., :2] / np.where(seen, pixels[..., 2], 1)[..., None]
    keypoints = np.concatenate(
        [pixels, (joints[..., 2] - depth[:, None])[..., None]], -1)
    keypoints = np.where(seen[..., None], keypoints, 0)

    def as_interhand(values):
        values = values[:, INTERHAND_FROM_OPENPOSE]
        return values.reshape(1, 42, *values.shape[2:]).astype(np.float32)

    return dict(
        keypoints=as_interhand(keypoints), keypoints_cam=as_interhand(joints),
        keypoints_visible=as_interhand(seen), abs_depth=depth,
        focal=np.diag(intrinsics)[:2].copy(), principal_pt=intrinsics[:2, 2].copy())
