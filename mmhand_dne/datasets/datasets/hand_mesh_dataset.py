"""What all data sets of hand meshes have in common."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mmpose
import numpy as np
from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmhand_dne.conventions import (
    INTERHAND_FROM_OPENPOSE,
    MILLIMETRES,
    WRIST,
)
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.hand_model import HandPair
from mmhand_dne.hand_model.mano_source import CC0

from .indexed_dataset import IndexedDataset

KEYPOINTS_FILE = '_base_/datasets/interhand3d.py'  # of MMPose
CHECKED_ROWS = 32
# Millimetres from a mesh's joints to the annotated ones, mean of a frame. MANO's fits
# have some 5. Labels of the embedded hand are rendered and exact, and others than its
# own move it by little more than MANO's own fits are off.
FILE_BOUND, CC0_BOUND = 15.0, 5.0


def metainfo_named(name: str) -> dict:
    """MMPose's metainfo of both hands' keypoints, for a set of another name."""
    path = Path(mmpose.__file__).parent / '.mim' / 'configs' / KEYPOINTS_FILE
    info = Config.fromfile(path, import_custom_modules=False).dataset_info.to_dict()
    return dict(info, dataset_name=name)


class HandMeshDataset(IndexedDataset):
    """Base of the data sets of hand meshes: MMPose's keypoint names and a hand model.

    Every entry carries the name of its set, ``metainfo=dict(dataset_name=...)`` or the
    class's own, by which :class:`HandSetsEvaluator` tells sets apart.

    Args:
        hand_model: config of :class:`HandPair` or :class:`SingleHand`: the hand that
            the meshes and parameters are of.
        allow_other_hand: use the parameters with a hand that they are not of.

    Other arguments: see MMEngine's ``BaseDataset``.

    Raises: UserError if the meshes of this hand are not where the annotated joints are.
    """

    METAINFO = dict(from_file=f'configs/{KEYPOINTS_FILE}')

    def __init__(
        self, hand_model: dict, allow_other_hand: bool = False, **kwargs
    ) -> None:
        self.pair = pair_of(hand_model)
        self.hand_source = str(hand_model.get('source', CC0))
        self.allow_other_hand = allow_other_hand
        super().__init__(**kwargs)

    def full_init(self) -> None:
        """Load, select, and see on some rows that the labels are of this hand."""
        if self._fully_initialized:
            return
        super().full_init()
        if not self.allow_other_hand and len(self.rows):
            self._check_hand_of_labels()

    def get_data_info(self, idx: int) -> dict:
        """One image with its ground truth, before any transform; fresh arrays."""
        info = super().get_data_info(idx)
        info['dataset_name'] = self._metainfo['dataset_name']
        # What MMPose's transforms ask for besides.
        info['bbox_score'] = np.ones(1, np.float32)
        info['flip_indices'] = list(self._metainfo['flip_indices'])
        return info

    def _check_hand_of_labels(self) -> None:
        rows = self.rows[:: -(-len(self.rows) // CHECKED_ROWS)]
        errors = [error for row in rows for error in self._label_errors(int(row))]
        error = np.median(errors) if errors else 0.0
        bound = CC0_BOUND if self.hand_source == CC0 else FILE_BOUND
        if error > bound:
            raise UserError(
                f'{self.ann_file or self.data_root}: its labels are not of the hand '
                f'{self.hand_source!r}, whose joints lie {error:.0f} mm from the '
                f'annotated ones (median of {len(errors)} hands, expected less than '
                f'{bound:.0f}); train and test with --cfg-options '
                'hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl, or use another '
                'hand on purpose with allow_other_hand=True in the data set'
            )

    def _label_errors(self, row: int) -> list[float]:
        """Of each hand with mesh and joints, mm; damage is told when it is read."""
        try:
            info = self.read_row(row)
        except UserError:
            return []
        found = info['mesh_joints'] + info['mesh_root'][:, None]
        distances = np.linalg.norm(found - info['joints_cam'], axis=-1)
        return [
            MILLIMETRES * float(distance[valid].mean())
            for distance, valid, known in zip(
                distances, info['joints_valid'], info['mesh_valid']
            )
            if known and valid.sum() > 1  # the wrist alone tells nothing of a hand
        ]

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
        rel_root_depth=np.float32(depth[1] - depth[0]),
        rel_root_valid=np.float32(info['joints_valid'][:, WRIST].all()),
        focal=np.diag(intrinsics)[:2].copy(),
        principal_pt=intrinsics[:2, 2].copy(),
    )
