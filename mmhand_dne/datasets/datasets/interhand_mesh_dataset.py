"""InterHand2.6M with MANO: crops of one or two hands with all their ground truth."""

import os
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmpose.registry import DATASETS

from mmhand_dne.conventions import HAND_TYPE_NAMES
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.datasets.readers.interhand_annotations import InterHandFrame
from mmhand_dne.datasets.readers.interhand_filters import (
    SUBSETS,
    bright_mask,
    fit_mask,
    intaghand_mask,
    read_rootnet,
    say_left_out,
    subset_mask,
)
from mmhand_dne.datasets.readers.interhand_table import (
    SCHEMA,
    VERSION,
    InterHandFiles,
    camera_of,
    frame_of,
    read_table,
)
from mmhand_dne.datasets.transforms.mesh_geometry import draws_ours, takes_unposed
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.bounding_boxes import corners_of
from mmhand_dne.randomness.pipeline import SampleKey, draws_by
from mmhand_dne.structures.raw_sample import empty_sample

from .hand_mesh_dataset import HandMeshDataset, metainfo_named, mmpose_fields
from .indexed_dataset import BESIDE, find_index
from .interhand_hands import add_meshes, presence_fields, unposed_fields
from .single_hand_dataset import shown_joints

DEFAULT_HAND_MODEL = dict(type='HandPair', source='cc0')
IMAGES = dict(img='images')
NOT_PLAIN = re.compile(r'(^|/)\.?(/|$)')  # a path with parts that pathlib leaves out
COUNTED = 1 << 16  # rows whose joints are counted at once


@DATASETS.register_module()
class InterHandMeshDataset(HandMeshDataset):
    """InterHand2.6M in its official layout (and anything written alike).

    One entry is one annotated image. Missing or null MANO, invalid joints and one-hand
    frames are normal: each field comes with a mask. Joints are measured from the mesh
    where a hand has MANO, else taken from the joint annotation [decided]; MMPose's own
    fields in ``gt_instances`` are always the joint annotation. The presence of a hand
    is known where ``hand_type`` agrees with the joints: present with a joint in the
    image, or absent without any joint [decided].

    v1.0 at 5 and at 30 frames per second differ in the files' sizes only; v0.0 has its
    files in ``annotations/{all,human_annot,machine_annot}`` and its joints as bare
    lists. All of them are read.

    Args:
        ann_file: ``InterHand2.6M_*_data.json``, relative to ``data_root``.
        camera_file, joint_file: ``*_camera.json``, ``*_joint_3d.json``.
        mano_file: ``*_MANO_NeuralAnnot.json``; None: joints only.
        hand_model: config of :class:`HandPair` or :class:`SingleHand`: the hand that
            the parameters are of.
        subset_step: keep every n-th entry in annotation order (10: the paper's 10 %).
        subset: 'H' for what people annotated, 'M' for all else, 'H+M' for both. Of the
            training split people and the machine have annotated 76,457 images both;
            here they are in 'H' alone [decided].
        human_ids: with 'H' or 'M', InterWild's ``aid_human_annot_{split}.txt``.
        max_fit_error: millimetres; leaves out images with a hand whose mesh is further
            than that from its joints, on average over these. Typical is 5.
        hand_type: 'right', 'left' or 'interacting': only images of that kind.
        min_grey: leaves out images of a smaller mean grey value, of 255; IntagHand's
            frame filter has 10. Needs an index.
        intaghand_frames: of interacting images only those that IntagHand evaluates, of
            single-hand images all: the set that the tables of DNE fit. Needs an index
            with grey values.
        posed: pose the hands in the worker. False: each batch poses its own, on the
            training device, where the labels are read (:class:`UnposedLabels`): a
            third of the worker's time and a tenth of the bytes, for training. Samples
            then lack what MMPose's metrics read: keypoints, ``abs_depth``, ``focal``
            and ``principal_pt``. Where a transform of the pipeline may read meshes,
            hands are posed all the same, which the log says once.
        rootnet_file: ``bbox_root_*.json`` of InterHand2.6M's RootNet, whose boxes and
            wrist depths replace the annotated box and the true
            ``abs_depth`` that MMPose's metric puts predictions at. The box is
            padded already: crop with ``padding=1``.
        index: 'beside' for the index that ``prepare_interhand.py`` writes beside
            ``ann_file`` if it is there, another path (its folder, too), or None to read
            the JSON files.

    Other arguments: see MMEngine's ``BaseDataset``.

    Raises:
        ValueError: a file is missing, truncated or of another version, a frame has no
            camera or no joints, or a value has another shape or is not finite; the
            index is of other files or older than they are.
    """

    METAINFO = metainfo_named('interhand26m')

    def __init__(
        self,
        ann_file: str,
        camera_file: str,
        joint_file: str,
        mano_file: str | None = None,
        data_root: str = '',
        data_prefix: dict = IMAGES,
        hand_model: dict = DEFAULT_HAND_MODEL,
        subset_step: int = 1,
        subset: str = 'H+M',
        human_ids: str | None = None,
        max_fit_error: float | None = None,
        min_grey: float | None = None,
        hand_type: str | None = None,
        intaghand_frames: bool = False,
        posed: bool = True,
        rootnet_file: str | None = None,
        index: str | None = BESIDE,
        **kwargs,
    ) -> None:
        if subset_step < 1:
            raise UserError(
                f'InterHandMeshDataset: subset_step is {subset_step}, expected >= 1'
            )
        if subset not in SUBSETS:
            raise UserError(
                f'InterHandMeshDataset: subset is {subset!r}, expected one of {SUBSETS}'
            )
        if hand_type not in (None, *HAND_TYPE_NAMES):
            raise UserError(
                f'InterHandMeshDataset: hand_type is {hand_type!r}, expected one of '
                f'{(None, *HAND_TYPE_NAMES)}'
            )
        self.hand_type, self.intaghand_frames = hand_type, intaghand_frames
        self.camera_file, self.joint_file = camera_file, joint_file
        self.mano_file, self.subset_step = mano_file, subset_step
        self.subset, self.human_ids = subset, human_ids
        self.max_fit_error, self.min_grey = max_fit_error, min_grey
        self.rootnet_file, self.index = rootnet_file, index
        self.posed, self._told = posed, False
        super().__init__(
            hand_model=hand_model,
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            **kwargs,
        )

    def _join_prefix(self) -> None:
        super()._join_prefix()
        for name in (
            'camera_file',
            'joint_file',
            'mano_file',
            'human_ids',
            'rootnet_file',
        ):
            value = getattr(self, name)
            setattr(self, name, Path(self.data_root) / value if value else None)
        if self.index not in (None, BESIDE):
            self.index = Path(self.data_root) / self.index

    def load_table(self) -> Table:
        """The index, or what the annotation files say."""
        files = InterHandFiles(
            Path(self.ann_file), self.camera_file, self.joint_file, self.mano_file
        )
        found = find_index(self.index, files.index, SCHEMA, VERSION, files.present())
        return read_table(files) if found is None else found

    def select_rows(self) -> np.ndarray:
        """Entries with a box that pass the filters, in annotation order."""
        ids = self.table.columns['id']
        self.rootnet = None
        if self.rootnet_file:
            self.rootnet = read_rootnet(self.rootnet_file, ids)
        rows = np.arange(0, len(ids), self.subset_step)
        kept = np.ones(len(rows), bool)
        counts = {}
        for reason, passed in self._filters().items():
            counts[reason] = int((kept & ~passed[rows]).sum())
            kept &= passed[rows]
        say_left_out(self.ann_file, counts, len(rows))
        rows = rows[kept]
        absent = rows[np.isnan(self._boxes[rows, 0])]
        if len(absent):
            raise UserError(
                f'{self.rootnet_file}: has no box of annotation '
                f'{ids[absent[0]]} and of {len(absent) - 1} others; use the file of '
                'the same split and frame rate'
            )
        return rows

    def _filters(self) -> dict[str, np.ndarray]:
        """Which entries of the table pass, (N,) bool, by what is said of the others."""
        intaghand = np.ones(len(self._boxes), bool)
        if self.intaghand_frames:
            intaghand = intaghand_mask(self.table, self.mano_file, self.ann_file)
        return {
            # A single visible joint makes a box without extent. NaN passes: it is an
            # error where that entry is used.
            'have a box without extent': ~(self._boxes[:, 2:].max(1) <= 0),
            f'are not of subset {self.subset}': subset_mask(
                self.table, self.subset, self.human_ids
            ),
            f'have a mesh over {self.max_fit_error} mm from its joints': fit_mask(
                self.table, self.pair, self.max_fit_error
            ),
            f'are not of hand type {self.hand_type}': self._typed(),
            f'are darker than grey {self.min_grey}': bright_mask(
                self.table, self.min_grey, self.ann_file
            ),
            "are interacting, but none of IntagHand's frames": intaghand,
        }

    def _typed(self) -> np.ndarray:
        """(N,) bool: entries of the wanted hand type."""
        kinds = self.table.columns['hand_type']
        if self.hand_type is None:
            return np.ones(len(kinds), bool)
        return kinds == HAND_TYPE_NAMES.index(self.hand_type)

    @property
    def _boxes(self) -> np.ndarray:
        if self.rootnet is None:
            return self.table.columns['bbox']
        return self.rootnet.boxes

    def read_row(self, row: int) -> dict:
        """One entry with its ground truth in camera axes, before any transform."""
        camera, frame = camera_of(self.table, row), self._frame(row)
        valid = frame.joints_valid.copy()
        joints = (frame.joints - camera.position) @ camera.rotation.T
        info = empty_sample(self.pair.template.shape[1])
        info.update(
            **self._image_fields(row),
            **self._presence(row, valid),
            joint_in_image=self.table.columns['joint_in_image'][row].copy(),
            joints_cam=np.where(valid[..., None], joints, 0),
            joints_valid=valid,
            intrinsics=camera.intrinsics.copy(),
        )
        add_meshes(info, self.pair, frame, camera)
        info.update(mmpose_fields(info))
        if self.rootnet is not None:
            info['abs_depth'] = self.rootnet.depths[row].copy()
        return info

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline; our own transforms alone need no other generators."""
        ours = not self.posed and all(map(draws_ours, self.pipeline.transforms))
        if ours and isinstance(idx, SampleKey):
            with draws_by(idx):
                return self.pipeline(self.pipeline_entry(idx))
        return super().prepare_data(idx)

    def pipeline_entry(self, idx: int) -> dict:
        """What the pipeline starts from: posed, or not yet (see the class)."""
        if self.posed or not self._all_take_unposed():
            return super().pipeline_entry(idx)
        info = self.read_unposed(int(self.rows[int(idx)]))
        info['sample_idx'] = int(idx) % len(self.rows)
        info['dataset_name'] = self._metainfo['dataset_name']
        return info

    def _all_take_unposed(self) -> bool:
        steps = self.pipeline.transforms
        readers = [type(step).__name__ for step in steps if not takes_unposed(step)]
        if readers and not self._told:
            self._told = True
            print_log(
                f'{self.ann_file}: {readers[0]} of the pipeline may read meshes, so '
                'that hands are posed in the workers although posed=False',
                'current',
            )
        return not readers

    def read_unposed(self, row: int) -> dict:
        """One entry with the parameters that pose its hands, before any transform."""
        camera, frame = camera_of(self.table, row), self._frame(row)
        info = self._image_fields(row)
        shown = self._presence(row, frame.joints_valid)
        info.update(unposed_fields(self.pair, frame, camera, shown, info['img_path']))
        return info

    def _frame(self, row: int) -> InterHandFrame:
        """The frame of an entry; without ``mano_file`` it has no parameters."""
        frame = frame_of(self.table, row)
        return frame._replace(
            mano_valid=frame.mano_valid & (self.mano_file is not None)
        )

    def _presence(self, row: int, annotated: np.ndarray) -> dict:
        columns = self.table.columns
        return presence_fields(
            HAND_TYPE_NAMES[columns['hand_type'][row]],
            int(columns['hand_type_valid'][row]),
            annotated,
            columns['joint_in_image'][row],
        )

    def _image_fields(self, row: int) -> dict:
        """Names, box and, where the files tell it, the size of an image."""
        columns = self.table.columns
        size = zip(('width', 'height'), columns['size'][row].tolist())
        name = self.table.text('file_name', row)
        return dict(
            {key: pixels for key, pixels in size if pixels >= 0},
            img_path=_joined(self.data_prefix['img'], name),
            id=int(columns['id'][row]),
            img_id=int(columns['img_id'][row]),
            bbox=corners_of(self._boxes[row]),
        )

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with ground truth each hand shows, without its mesh."""
        return self._count(self.rows[int(idx) : int(idx) + 1])[0]

    def count_all_joints(self) -> np.ndarray:
        """:meth:`count_joints` of all entries, (N, 2)."""
        parts = np.split(self.rows, np.arange(COUNTED, len(self.rows), COUNTED))
        return np.concatenate([self._count(part) for part in parts])

    def _count(self, rows: np.ndarray) -> np.ndarray:
        columns = self.table.columns
        frames = columns['frame'][rows]
        mano = columns['frame_mano_valid'][frames] & (self.mano_file is not None)
        return shown_joints(
            columns['frame_joints_valid'][frames],
            columns['joint_in_image'][rows],
            mano,
        )


def _joined(folder: str, name: str) -> str:
    """A path as pathlib writes it, in a tenth of its time for a plain name."""
    if os.sep != '/' or NOT_PLAIN.search(name):
        return str(Path(folder) / name)
    folder = _written(folder)
    return name if folder == '.' else f'{folder.rstrip("/")}/{name}'


@lru_cache(maxsize=64)
def _written(folder: str) -> str:
    return str(Path(folder))
