"""What data sets of one right hand per image have in common."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import RIGHT, WRIST
from mmhand_dne.geometry.bounding_boxes import corners_of, tight_box
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.structures.raw_sample import empty_sample

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
        info = empty_sample(self.pair.template.shape[1])
        pixels = self._add_joints(info, hand, intrinsics, size)
        info.update(
            width=size[0],
            height=size[1],
            intrinsics=intrinsics,
            bbox=corners_of(
                tight_box(pixels[hand.joints_valid]) if box is None else box
            ),
        )
        self._add_mesh(info, hand)
        info.update(mmpose_fields(info))
        return info

    @staticmethod
    def _add_joints(
        info: dict, hand: RightHand, intrinsics: np.ndarray, size: tuple
    ) -> np.ndarray:
        """Write joints and presence into the right slot; their pixels (21, 2)."""
        valid = hand.joints_valid
        pixels = project_perspective(hand.joints, intrinsics, valid)
        pixels = np.where(valid[:, None], pixels, -1)  # as MMPose marks what is unknown
        inside = ((pixels >= 0) & (pixels <= np.array(size) - 1)).all(-1)
        info['joints_cam'][RIGHT] = hand.joints
        info['joints_valid'][RIGHT] = valid
        info['joint_in_image'][RIGHT] = inside & valid
        info['hand_presence'][RIGHT] = info['hand_presence_valid'][RIGHT] = 1
        info['hand_type'][:, RIGHT] = 1
        return pixels

    @abstractmethod
    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with ground truth each hand has, (2,), without its mesh."""

    def count_all_joints(self) -> np.ndarray:
        """:meth:`count_joints` of all entries, (N, 2); it is the same of each."""
        counts = self.count_joints(0) if len(self) else np.zeros(2, int)
        return np.tile(counts, (len(self), 1))

    def _add_mesh(self, info: dict, hand: RightHand) -> None:
        """Write mesh and MANO parameters into the right slot, where they are known."""
        if hand.vertices is not None:
            joints = self.pair.joint_regressor[0].double().numpy() @ hand.vertices
            root = joints[WRIST]
            info['mesh_root'][RIGHT] = root
            info['mesh_vertices'][RIGHT] = hand.vertices - root
            info['mesh_joints'][RIGHT] = joints - root
            info['mesh_valid'][RIGHT] = True
        if hand.rotations is not None:
            info['mano_rotations'][RIGHT] = hand.rotations
            info['mano_betas'][RIGHT] = hand.betas
            info['mano_valid'][RIGHT] = True
