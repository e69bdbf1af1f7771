"""HO-3D versions 2 and 3: one right hand with an object per image."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mmpose.registry import DATASETS

from mmhand_dne.conventions import MILLIMETRES, OPENGL_AXES, OPENPOSE_FROM_HO3D, WRIST
from mmhand_dne.datasets.readers.ho3d_files import (
    IMAGE_SUFFIXES,
    SCHEMA,
    VERSION,
    HO3DFrame,
    find_image,
    frame_of,
    read_frame,
    read_frame_list,
    read_gt,
)
from mmhand_dne.datasets.readers.index_file import Table, Texts
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.hashes import short_hash

from .hand_mesh_dataset import metainfo_named
from .indexed_dataset import BESIDE, find_index
from .right_hand_dataset import RightHand, RightHandMeshDataset

SIZE = (640, 480)  # pixels, width and height
# Metres between a row of released ground truth and its frame's annotated wrist; the
# same point, so that more means rows of another version.
WRIST_ERROR = 0.01
DEFAULT_HAND_MODEL = dict(type='HandPair', source='cc0', tips='ho3d')
INDEX = 'ho3d_{name}.index'  # beside the list {name}.txt


@DATASETS.register_module()
class HO3DMeshDataset(RightHandMeshDataset):
    """HO-3D v2 (png) or v3 (jpg) in its official layout.

    Only listed frames are read, each from the index or, without one, from its pickle
    when it is asked for. The files' OpenGL axes become the camera's here, once.
    Training meshes come from the MANO parameters, whose pose is absolute; evaluation
    has boxes and wrists, and with the released ground truth (``evaluation_xyz.json``,
    ``evaluation_verts.json``) joints and meshes, but never MANO parameters.

    Args:
        ann_file: 'train.txt' or 'evaluation.txt', relative to ``data_root``.
        data_prefix: ``img`` is the folder of the sequences, 'train' or 'evaluation'.
        xyz_file, verts_file: released ground truth of the frames, relative to
            ``data_root``; None: use what the pickles have.
        hand_model: see :class:`HandMeshDataset`.
        index: see :func:`find_index`; 'beside' is ``ho3d_train.index`` beside
            ``train.txt``, which ``tools/dataset_converters/prepare_ho3d.py`` writes.

    Raises:
        ValueError: a file is missing, damaged or of another version, when it is read.
    """

    METAINFO = metainfo_named('ho3d')

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: dict | None = None,
        xyz_file: str | None = None,
        verts_file: str | None = None,
        hand_model: dict = DEFAULT_HAND_MODEL,
        index: str | None = BESIDE,
        **kwargs,
    ) -> None:
        self.xyz_file, self.verts_file, self.index = xyz_file, verts_file, index
        if data_prefix is None:
            data_prefix = dict(img=Path(ann_file).stem)
        super().__init__(
            hand_model=hand_model,
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            **kwargs,
        )

    def load_table(self) -> Table:
        """The index, or the listed frames and the ground truth beside their pickles.

        Columns: ``id`` and ``name`` ('sequence/frame'); of the released ground truth,
        in OpenGL axes and HO-3D's order, ``true_joints`` (N, 21, 3), ``true_vertices``
        (N, 778, 3); of an index also :func:`frame_columns`, ``suffix`` (N,) of the
        image, and ``size``, ``mtime_ns`` and ``digest`` (N,) of the pickle.
        """
        ann_file, root = Path(self.ann_file), Path(self.data_root)
        path = ann_file.with_name(INDEX.format(name=ann_file.stem))
        gt = {
            name: root / file
            for name, file in (
                ('true_joints', self.xyz_file),
                ('true_vertices', self.verts_file),
            )
            if file
        }
        table = find_index(self.index, path, SCHEMA, VERSION, [ann_file, *gt.values()])
        return table or read_list(ann_file, gt)

    def read_row(self, row: int) -> dict:
        """One frame with its ground truth in camera axes."""
        columns = self.table.columns
        sequence, name = self.table.text('name', row).split('/')
        folder = Path(self.data_prefix['img']) / sequence
        path = folder / 'meta' / f'{name}.pkl'
        frame = self._frame(row, path)
        joints, valid = frame.joints, frame.joints_valid
        if self.xyz_file:
            joints = columns['true_joints'][row].astype(np.float64)
            valid = np.ones(21, bool)
            self._check_row(joints[0], frame, row, path)
        hand = RightHand(
            np.where(valid[:, None], joints * OPENGL_AXES, 0)[OPENPOSE_FROM_HO3D],
            valid[OPENPOSE_FROM_HO3D],
            *self._mesh(frame, row),
        )
        check_frame(hand, frame, path)
        if 'suffix' in columns:
            image = folder / 'rgb' / f'{name}{IMAGE_SUFFIXES[columns["suffix"][row]]}'
        else:
            image = find_image(folder / 'rgb', name)
        info = self.fields(hand, frame.intrinsics, SIZE, frame.bbox)
        info.update(id=row, img_id=row, img_path=str(image))
        return info

    def _frame(self, row: int, path: Path) -> HO3DFrame:
        columns = self.table.columns
        if 'mtime_ns' not in columns:
            return read_frame(path)
        # 80,000 files are too many to ask for when opening.
        if path.exists():
            found = path.stat()
            same = found.st_size == columns['size'][row]
            if same and found.st_mtime_ns != columns['mtime_ns'][row]:
                # A copy has its own time.
                same = (
                    'digest' in columns and short_hash(path) == columns['digest'][row]
                )
            if not same:
                raise UserError(
                    f'{self.table.path}: {path} has changed since the index was made '
                    'of it; run tools/dataset_converters/prepare_ho3d.py again, or set '
                    'index=None to read the pickles'
                )
        return frame_of(columns, row)

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with ground truth each hand has, without reading its pickle.

        Training frames have all joints of the right hand; whether each lies in the
        image is not looked up [decided].
        """
        known = self.xyz_file or Path(self.ann_file).stem == 'train'
        return np.array([21 if known else 1, 0])

    @torch.no_grad()
    def _mesh(self, frame: HO3DFrame, row: int) -> tuple:
        """Vertices, rotations and betas in camera axes, None where unknown."""
        if frame.pose is None:
            if not self.verts_file:
                return None, None, None
            vertices = self.table.columns['true_vertices'][row]
            return vertices * OPENGL_AXES, None, None
        layer = self.pair.right
        absolute = layer.absolute_pose(torch.tensor(frame.pose), mean=False)
        vertices = layer(absolute.float(), torch.tensor(frame.betas).float())
        vertices = vertices.double().numpy() + frame.translation
        rotations = absolute.numpy().copy()
        rotations[WRIST] = OPENGL_AXES[:, None] * rotations[WRIST]
        return vertices * OPENGL_AXES, rotations, frame.betas

    def _check_row(
        self, wrist: np.ndarray, frame: HO3DFrame, row: int, path: str | Path
    ) -> None:
        error = np.linalg.norm(wrist - frame.joints[0])
        if error > WRIST_ERROR:
            raise UserError(
                f'{self.xyz_file}: the wrist of row {row} lies '
                f'{MILLIMETRES * error:.0f} mm from the one in {path}, expected the '
                'same; use ground truth and frame list of one HO-3D version'
            )


def read_list(ann_file: Path, gt: Mapping[str, Path]) -> Table:
    """A list of frames and the released ground truth of those, without their pickles.

    Args:
        gt: files by column, see :meth:`HO3DMeshDataset.load_table`.
    """
    names = ['/'.join(frame) for frame in read_frame_list(ann_file)]
    columns = dict(id=np.arange(len(names)), name=Texts.of(names))
    points = dict(true_joints=21, true_vertices=778)
    for name, path in gt.items():
        columns[name] = read_gt(path, len(names), points[name], ann_file)
    return Table(columns, {})


def check_frame(hand: RightHand, frame: HO3DFrame, path: Path) -> None:
    """Raise ValueError where a frame's axes or box cannot be right."""
    if (hand.joints[hand.joints_valid, 2] <= 0).any():
        raise UserError(
            f'{path}: a joint lies behind the camera; handJoints3D must be in '
            "the official files' OpenGL axes (negative z), do not convert it"
        )
    if frame.bbox is None and not hand.joints_valid.all():
        raise UserError(
            f'{path}: has neither handBoundingBox nor all joints; give xyz_file, '
            'or unpack this sequence of HO-3D again'
        )
