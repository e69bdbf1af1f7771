"""FreiHAND v2: one right hand an image, every hand before four backgrounds."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmpose.registry import DATASETS

from .freihand_files import find, read_rows, rebuild_vertices
from .right_hand import RightHand, RightHandMeshDataset

BACKGROUNDS = ('gs', 'hom', 'sample', 'auto')  # in the order of the image numbers
SIZE = (224, 224)  # pixels, width and height
CENTRE_BOX = 100  # pixels; side of the box at the image's centre
CHECKED_ROWS = 32
# Metres, means. The data set's own meshes agree with its joints to about 1 mm and with
# its MANO parameters to a few; another hand model is centimetres away.
JOINT_ERROR, MANO_ERROR = 0.01, 0.02
FREE_HAND = dict(type='HandPair', source='free', tips='freihand')


@DATASETS.register_module()
class FreiHANDMeshDataset(RightHandMeshDataset):
    """FreiHAND v2 in its official layout, however it was unpacked.

    Training image ``i + N v`` shows row i of the N = 32,560 rows before background v.
    Meshes and joints are ``*_verts.json`` and ``*_xyz.json``; MANO parameters
    supervise pose and shape only. Evaluation truth is used where it was downloaded
    (``FreiHAND_pub_v2_eval.zip``), else joints, mesh and MANO are masked.

    Args:
        split: 'training' or 'evaluation'.
        backgrounds: which of 'gs', 'hom', 'sample', 'auto' to use in training.
        mesh: 'verts' for the meshes in ``*_verts.json``, 'mano' to rebuild them from
            the parameters instead, which needs 3 GB less memory at the start but
            carries the parameters' residual against the meshes.
        box: 'joints' for the tight box of the true joints, 'centre' for 100 pixels at
            the centre, which needs no truth. FreiHAND has no official box.
        hand_model: see :class:`RightHandMeshDataset`.

    Raises:
        ValueError: a file is missing, damaged or of another version, or the hand
            model is not the one that the data are of.
    """

    def __init__(self, data_root: str, split: str = 'training',
                 backgrounds: Sequence[str] = BACKGROUNDS, mesh: str = 'verts',
                 box: str = 'joints', hand_model: dict = FREE_HAND, **kwargs):
        for name, value, choices in (
                ('split', split, ('training', 'evaluation')),
                ('mesh', mesh, ('verts', 'mano')), ('box', box, ('joints', 'centre'))):
            if value not in choices:
                raise ValueError(
                    f'FreiHANDMeshDataset: {name} is {value!r}, expected one of '
                    f'{choices}')
        unknown = sorted(set(backgrounds) - set(BACKGROUNDS))
        if unknown or not backgrounds:
            raise ValueError(
                f'FreiHANDMeshDataset: backgrounds are {list(backgrounds)}, expected '
                f'some of {BACKGROUNDS}')
        self.split, self.mesh, self.box = split, mesh, box
        self.backgrounds = [name for name in BACKGROUNDS if name in backgrounds]
        super().__init__(hand_model=hand_model, data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Images in the order of their numbers; reads all rows."""
        names = ['K', 'mano', 'xyz', 'scale'] + ['verts'] * (self.mesh == 'verts')
        self.rows = rows = read_rows(self.data_root, self.split, names)
        if rows.joints is None and self.box == 'joints':
            raise ValueError(
                f'{self.data_root}: the evaluation truth is not there to take boxes '
                "from; unpack FreiHAND_pub_v2_eval.zip there, or set box='centre'")
        self.rotations = None
        if rows.pose is not None:
            self.rotations = self.pair.right.absolute_pose(
                torch.tensor(rows.pose, dtype=torch.float32), mean=True).numpy()
            self._check_hand()
        folder = find(self.data_root, f'{self.split}/rgb')
        if folder is None:
            raise ValueError(
                f'{self.data_root}: neither it nor a folder FreiHAND_pub_v2* in it has '
                f'{self.split}/rgb; check data_root, or unpack the images there')
        count = len(rows.intrinsics)
        versions = [BACKGROUNDS.index(name) for name in self.backgrounds]
        if self.split == 'evaluation':
            versions = [0]
        return [
            dict(row=row, id=row + count * version, img_id=row + count * version,
                 img_path=str(Path(folder) / f'{row + count * version:08d}.jpg'))
            for version in versions for row in range(count)]

    def get_data_info(self, idx: int) -> dict:
        """One image with its truth in camera axes, before any transform."""
        info = super().get_data_info(int(idx))
        rows, row = self.rows, info.pop('row')
        box = None
        if self.box == 'centre':
            corner = (np.array(SIZE) - 1 - CENTRE_BOX) / 2
            box = np.concatenate([corner, [CENTRE_BOX] * 2])
        if rows.joints is None:
            hand = RightHand(np.zeros((21, 3)), np.zeros(21, bool))
        else:
            hand = RightHand(
                rows.joints[row], np.ones(21, bool), self._vertices([row])[0],
                self.rotations[row], rows.betas[row])
        info.update(self.fields(hand, rows.intrinsics[row], SIZE, box))
        return info

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with truth each hand has: all of the right one's."""
        return np.array([0 if self.rows.joints is None else 21, 0])

    def _rebuilt(self, index) -> np.ndarray:
        regressor = self.pair.joint_regressor[0].double().numpy()
        return rebuild_vertices(
            self.pair.right, self.rows, self.rotations, regressor, index)

    def _vertices(self, index) -> np.ndarray:
        if self.mesh == 'mano':
            return self._rebuilt(index)
        return self.rows.vertices[index].astype(np.float64)

    def _check_hand(self) -> None:
        """Compare some meshes with the joints and with their MANO parameters."""
        index = np.unique(
            np.linspace(0, len(self.rotations) - 1, CHECKED_ROWS).astype(int))
        index = index[index >= 0]
        if not len(index):
            return
        meshes, rebuilt = self._vertices(index), self._rebuilt(index)
        joints = self.pair.joint_regressor[0].double().numpy() @ meshes
        for what, error, bound in (
                ('xyz.json', _distance(joints, self.rows.joints[index]), JOINT_ERROR),
                ('mano.json', _distance(meshes, rebuilt), MANO_ERROR)):
            if error > bound:
                raise ValueError(
                    f'{self.data_root}: the meshes of the {self.split} split lie '
                    f'{1000 * error:.0f} mm from {self.split}_{what}, expected less '
                    f'than {1000 * bound:.0f}; give the MANO v1.2 files as '
                    'hand_model.source, and data of version 2')


def _distance(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm(points - others, axis=-1).mean())
