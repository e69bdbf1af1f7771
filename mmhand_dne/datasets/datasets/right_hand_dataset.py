"""What data sets of one right hand an image have in common."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import WRIST
from mmhand_dne.geometry.bounding_boxes import tight_box
from mmhand_dne.geometry.camera import project_perspective

from .hand_mesh_dataset import HandMeshDataset, mmpose_fields


class RightHand(NamedTuple):
    """What a source knows of a right hand, in camera axes; None where it does not.

    A mesh without MANO parameters is normal (released evaluation ground truth).
    """

    joints: np.ndarray  # (21, 3) metres, OpenPose order, zeros where invalid
    joints_valid: np.ndarray  # (21,) bool
    vertices: np.ndarray | None = None  # (V, 3) metres
    rotations: np.ndarray | None = None  # (16, 3, 3) absolute
    betas: np.ndarray | None = None  # (10,)


class RightHandMeshDataset(HandMeshDataset):
    """Base of the data sets whose images are annotated for one right hand.

    Their samples are those of :class:`InterHandMeshDataset`: the hand in slot 0, the
    left hand's slot masked. Nothing is annotated about a left hand, not even its
    absence, so neither its presence nor the hand type counts as known [decided].

    Arguments: see :class:`HandMeshDataset`.
    """

    def fields(
        self,
        hand: RightHand,
        intrinsics: np.ndarray,
        size: tuple,
        box: np.ndarray | None = None,
    ) -> dict:
        """The fields that transforms and MMPose's metrics read.

        Args:
            hand: its ground truth.
            intrinsics: (3, 3) pixels.
            size: (W, H) of the image, pixels.
            box: (4,) x, y, w, h; by default the tight box of the projected joints.
        """
        valid = hand.joints_valid
        pixels = project_perspective(hand.joints, intrinsics, valid)
        pixels = np.where(valid[:, None], pixels, -1)  # as MMPose marks what is unknown
        inside = ((pixels >= 0) & (pixels <= np.array(size) - 1)).all(-1)
        info = dict(
            width=size[0],
            height=size[1],
            intrinsics=intrinsics,
            bbox=tight_box(pixels[hand.joints_valid]) if box is None else box,
            joints_cam=slot_of(hand.joints),
            joints_valid=slot_of(hand.joints_valid),
            joint_in_image=slot_of(inside & hand.joints_valid),
            hand_presence=np.float32([1, 0]),
            hand_presence_valid=np.float32([1, 0]),
            hand_type=np.float32([[1, 0]]),
            hand_type_valid=np.array([0]),
            **self._mesh_fields(hand),
        )
        info.update(mmpose_fields(info))
        return info

    @abstractmethod
    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with ground truth each hand has, (2,), without its mesh."""

    def count_all_joints(self) -> np.ndarray:
        """:meth:`count_joints` of all entries, (N, 2); it is the same of each."""
        counts = self.count_joints(0) if len(self) else np.zeros(2, int)
        return np.tile(counts, (len(self), 1))

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
            mesh_vertices=slot_of(vertices),
            mesh_joints=slot_of(joints),
            mesh_root=slot_of(root),
            mesh_valid=np.array([has_mesh, False]),
            mano_rotations=turns,
            mano_betas=slot_of(hand.betas if has_mano else np.zeros(10)),
            mano_valid=np.array([has_mano, False]),
        )


def slot_of(value: np.ndarray) -> np.ndarray:
    """(...) of the right hand to (2, ...), zeros for the left."""
    value = np.asarray(value)
    return np.stack([value, np.zeros_like(value)])
