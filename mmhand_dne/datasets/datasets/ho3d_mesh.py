"""HO-3D versions 2 and 3: one right hand with an object an image."""
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from mmpose.registry import DATASETS

from mmhand_dne.hand_model import WRIST

from .ho3d_files import (
    OPENGL_TO_CAMERA,
    OPENPOSE_FROM_HO3D,
    HO3DFrame,
    find_image,
    read_frame,
    read_frame_list,
    read_truth,
)
from .right_hand import RightHand, RightHandMeshDataset

SIZE = (640, 480)  # pixels, width and height
# Metres between a row of released truth and its frame's annotated wrist; the same
# point, so that more means rows of another version.
WRIST_ERROR = 0.01
FREE_HAND = dict(type='HandPair', source='free', tips='ho3d')


@DATASETS.register_module()
class HO3DMeshDataset(RightHandMeshDataset):
    """HO-3D v2 (png) or v3 (jpg) in its official layout.

    Only listed frames are read, each with its pickle when it is asked for. The files'
    OpenGL axes are turned to the camera's here, once. Training meshes come from the
    MANO parameters, whose pose is absolute; evaluation has boxes and wrists, and with
    the released truth (``evaluation_xyz.json``, ``evaluation_verts.json``) joints and
    meshes, but never MANO parameters.

    Args:
        ann_file: 'train.txt' or 'evaluation.txt', relative to ``data_root``.
        data_prefix: ``img`` is the folder of the sequences, 'train' or 'evaluation'.
        xyz_file, verts_file: released truth of the frames, relative to ``data_root``;
            None: use what the pickles have.
        hand_model: see :class:`RightHandMeshDataset`.

    Raises:
        ValueError: a file is missing, damaged or of another version, when it is read.
    """

    def __init__(self, ann_file: str, data_root: str = '',
                 data_prefix: Optional[dict] = None, xyz_file: Optional[str] = None,
                 verts_file: Optional[str] = None, hand_model: dict = FREE_HAND,
                 **kwargs):
        self.xyz_file, self.verts_file = xyz_file, verts_file
        if data_prefix is None:
            data_prefix = dict(img=Path(ann_file).stem)
        super().__init__(hand_model=hand_model, ann_file=ann_file, data_root=data_root,
                         data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Frames in the order of the list."""
        frames = read_frame_list(self.ann_file)
        self.joints, self.vertices = (
            read_truth(Path(self.data_root) / name, len(frames), points, self.ann_file)
            if name else None
            for name, points in ((self.xyz_file, 21), (self.verts_file, 778)))
        return [
            dict(id=row, img_id=row, sequence=sequence, frame=frame)
            for row, (sequence, frame) in enumerate(frames)]

    def get_data_info(self, idx: int) -> dict:
        """One frame with its truth in camera axes, before any transform."""
        info = super().get_data_info(int(idx))
        folder = Path(self.data_prefix['img']) / info.pop('sequence')
        name, row = info.pop('frame'), info['id']
        path = folder / 'meta' / f'{name}.pkl'
        frame = read_frame(path)
        joints, valid = frame.joints, frame.joints_valid
        if self.joints is not None:
            joints, valid = self.joints[row].astype(np.float64), np.ones(21, bool)
            self._check_row(joints[0], frame, row, path)
        hand = RightHand(
            np.where(valid[:, None], joints @ OPENGL_TO_CAMERA, 0)[OPENPOSE_FROM_HO3D],
            valid[OPENPOSE_FROM_HO3D], *self._mesh(frame, row))
        if (hand.joints[hand.joints_valid, 2] <= 0).any():
            raise ValueError(
                f'{path}: a joint lies behind the camera; handJoints3D must be in '
                "the official files' OpenGL axes (negative z), do not convert it")
        if frame.bbox is None and not hand.joints_valid.all():
            raise ValueError(
                f'{path}: has neither handBoundingBox nor all joints; give xyz_file, '
                'or unpack this sequence of HO-3D again')
        info['img_path'] = str(find_image(folder / 'rgb', name))
        info.update(self.fields(hand, frame.intrinsics, SIZE, frame.bbox))
        return info

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with truth each hand has, without reading its pickle.

        Training frames have all joints of the right hand; whether each lies in the
        image is not looked up [decided].
        """
        known = self.joints is not None or Path(self.ann_file).stem == 'train'
        return np.array([21 if known else 1, 0])

    @torch.no_grad()
    def _mesh(self, frame: HO3DFrame, row: int) -> tuple:
        """Vertices, rotations and betas in camera axes, None where unknown."""
        if frame.pose is None:
            if self.vertices is None:
                return None, None, None
            return self.vertices[row] @ OPENGL_TO_CAMERA, None, None
        layer = self.pair.right
        turns = layer.absolute_pose(torch.tensor(frame.pose), mean=False)
        vertices = layer(turns.float(), torch.tensor(frame.betas).float())
        vertices = vertices.double().numpy() + frame.translation
        rotations = turns.numpy().copy()
        rotations[WRIST] = OPENGL_TO_CAMERA @ rotations[WRIST]
        return vertices @ OPENGL_TO_CAMERA, rotations, frame.betas

    def _check_row(self, wrist: np.ndarray, frame: HO3DFrame, row: int, path) -> None:
        error = np.linalg.norm(wrist - frame.joints[0])
        if error > WRIST_ERROR:
            raise ValueError(
                f'{self.xyz_file}: the wrist of row {row} lies {1000 * error:.0f} mm '
                f'from the one in {path}, expected the same; use the truth and the '
                'frame list of the same HO-3D version')
