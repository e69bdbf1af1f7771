"""FreiHAND v2: one right hand per image, every hand before four backgrounds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmpose.registry import DATASETS

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.datasets.readers.freihand_files import (
    SCHEMA,
    VERSION,
    absolute_rotations,
    find,
    find_files,
    read_table,
    rebuild_vertices,
)
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.errors import UserError

from .hand_mesh_dataset import metainfo_named
from .indexed_dataset import BESIDE, find_index
from .right_hand_dataset import RightHand, RightHandMeshDataset

BACKGROUNDS = ('gs', 'hom', 'sample', 'auto')  # in the order of the image numbers
SIZE = (224, 224)  # pixels, width and height
CENTRE_BOX = 100  # pixels; side of the box at the image's centre
CHECKED_ROWS = 32
# Metres, means. The data set's own meshes agree with its joints to about 1 mm and with
# its MANO parameters to a few; another hand model is centimetres away.
JOINT_ERROR, MANO_ERROR = 0.01, 0.02
DEFAULT_HAND_MODEL = dict(type='HandPair', source='cc0', tips='freihand')
INDEX = 'freihand_{split}.index'  # in data_root


@DATASETS.register_module()
class FreiHANDMeshDataset(RightHandMeshDataset):
    """FreiHAND v2 in its official layout, however it was unpacked.

    Training image ``i + N v`` shows row i of the N = 32,560 rows before background v.
    Meshes and joints are ``*_verts.json`` and ``*_xyz.json``; MANO parameters
    supervise pose and shape only. Evaluation ground truth is used where it was
    downloaded (``FreiHAND_pub_v2_eval.zip``), else joints, mesh and MANO are masked.

    Args:
        split: 'training' or 'evaluation'.
        backgrounds: which of 'gs', 'hom', 'sample', 'auto' to use in training.
        mesh: 'verts' for the meshes in ``*_verts.json``, 'mano' to rebuild them from
            the parameters instead, which needs 3 GB less memory at the start but
            carries the parameters' residual against the meshes.
        box: 'joints' for the tight box of the true joints, 'centre' for 100 pixels at
            the centre, which needs no ground truth. FreiHAND has no official box.
        hand_model: see :class:`HandMeshDataset`.
        index: see :func:`find_index`; 'beside' is ``freihand_{split}.index`` in
            ``data_root``, which ``tools/dataset_converters/prepare_freihand.py``
            writes.

    Raises:
        ValueError: a file is missing, damaged or of another version, or the hand
            model is not the one that the data are of.
    """

    METAINFO = metainfo_named('freihand')

    def __init__(
        self,
        data_root: str,
        split: str = 'training',
        backgrounds: Sequence[str] = BACKGROUNDS,
        mesh: str = 'verts',
        box: str = 'joints',
        hand_model: dict = DEFAULT_HAND_MODEL,
        index: str | None = BESIDE,
        **kwargs,
    ) -> None:
        for name, value, choices in (
            ('split', split, ('training', 'evaluation')),
            ('mesh', mesh, ('verts', 'mano')),
            ('box', box, ('joints', 'centre')),
        ):
            if value not in choices:
                raise UserError(
                    f'FreiHANDMeshDataset: {name} is {value!r}, expected one of '
                    f'{choices}'
                )
        unknown = sorted(set(backgrounds) - set(BACKGROUNDS))
        if unknown or not backgrounds:
            raise UserError(
                f'FreiHANDMeshDataset: backgrounds are {list(backgrounds)}, expected '
                f'some of {BACKGROUNDS}'
            )
        self.split, self.mesh, self.box, self.index = split, mesh, box, index
        self.backgrounds = [name for name in BACKGROUNDS if name in backgrounds]
        super().__init__(hand_model=hand_model, data_root=data_root, **kwargs)

    def load_table(self) -> Table:
        """The rows that the images share, see :func:`read_table`."""
        names = ['K', 'mano', 'xyz', 'scale'] + ['verts'] * (self.mesh == 'verts')
        path = Path(self.data_root) / INDEX.format(split=self.split)
        files = [find(self.data_root, f'{self.split}_{name}.json') for name in names]
        table = find_index(
            self.index, path, SCHEMA, VERSION, [file for file in files if file]
        )
        if table is None:
            table = read_table(find_files(self.data_root, self.split, names))
        self.has_gt = 'joints' in table.columns
        if not self.has_gt and self.box == 'joints':
            raise UserError(
                f'{self.data_root}: the evaluation ground truth is not there to take '
                "boxes from; unpack FreiHAND_pub_v2_eval.zip there, or set box='centre'"
            )
        self.folder = find(self.data_root, f'{self.split}/rgb')
        if self.folder is None:
            raise UserError(
                f'{self.data_root}: neither it nor a folder FreiHAND_pub_v2* in it has '
                f'{self.split}/rgb; check data_root, or unpack the images there'
            )
        if self.has_gt:
            self._check_hand(table)
        return table

    def select_rows(self) -> np.ndarray:
        """Numbers of the images of the backgrounds wanted, in this order."""
        rows = self.table.columns['id']
        if self.split == 'evaluation':
            return rows
        versions = [BACKGROUNDS.index(name) for name in self.backgrounds]
        return np.concatenate([rows + len(rows) * version for version in versions])

    def read_row(self, row: int) -> dict:
        """The image of a number with its ground truth in camera axes."""
        number, columns = row, self.table.columns
        row = number % len(columns['id'])
        box = None
        if self.box == 'centre':
            corner = (np.array(SIZE) - 1 - CENTRE_BOX) / 2
            box = np.concatenate([corner, [CENTRE_BOX] * 2])
        hand = RightHand(np.zeros((21, 3)), np.zeros(21, bool))
        if self.has_gt:
            hand = RightHand(
                columns['joints'][row],
                np.ones(21, bool),
                self._vertices(self.table, [row])[0],
                absolute_rotations(self.pair.right, self.table, [row])[0],
                columns['betas'][row],
            )
        info = self.fields(hand, columns['intrinsics'][row].copy(), SIZE, box)
        info.update(
            id=number, img_id=number, img_path=str(self.folder / f'{number:08d}.jpg')
        )
        return info

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with ground truth each hand has: all of the right one's."""
        return np.array([21 if self.has_gt else 0, 0])

    def _regressor(self) -> np.ndarray:
        return self.pair.joint_regressor[0].double().numpy()

    def _vertices(self, table: Table, index: Sequence[int] | np.ndarray) -> np.ndarray:
        if self.mesh == 'mano':
            return rebuild_vertices(self.pair.right, table, self._regressor(), index)
        return table.columns['vertices'][index].astype(np.float64)

    def _check_hand(self, table: Table) -> None:
        """Compare some meshes with the joints and with their MANO parameters."""
        true = table.columns['joints']
        index = np.unique(np.linspace(0, len(true) - 1, CHECKED_ROWS).astype(int))
        index = index[index >= 0]
        if not len(index):
            return
        meshes, regressor = self._vertices(table, index), self._regressor()
        rebuilt = rebuild_vertices(self.pair.right, table, regressor, index)
        joints = regressor @ meshes
        for what, error, bound in (
            ('xyz.json', _distance(joints, true[index]), JOINT_ERROR),
            ('mano.json', _distance(meshes, rebuilt), MANO_ERROR),
        ):
            if error > bound:
                raise UserError(
                    f'{self.data_root}: the meshes of the {self.split} split lie '
                    f'{MILLIMETRES * error:.0f} mm from {self.split}_{what}, expected '
                    f'less than {MILLIMETRES * bound:.0f}; give the MANO v1.2 files as '
                    'hand_model.source, and data of version 2'
                )


def _distance(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm(points - others, axis=-1).mean())
