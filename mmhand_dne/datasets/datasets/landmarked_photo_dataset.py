"""Photos of hands with landmarks that a network read: 2D ground truth, nearly."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmpose.registry import DATASETS

from mmhand_dne.conventions import NUM_JOINTS, OPENPOSE_JOINTS, SIDES
from mmhand_dne.datasets.readers.index_file import Table, Texts
from mmhand_dne.errors import UserError
from mmhand_dne.structures.raw_sample import empty_sample

from .hand_mesh_dataset import HandMeshDataset, metainfo_named, mmpose_fields

FOCAL = 2.0  # of the longer side: a conventional camera, since none is known
DEPTH = 1.0  # metres, where the joints are put; only their projection counts
# The networks' fingertip is a point inside the pad and their wrist another than the
# hand model's. Without a wrist no joint counts in space either.
TRUSTED = tuple(name for name in OPENPOSE_JOINTS if name[-1] in '123')


@DATASETS.register_module()
class LandmarkedPhotoDataset(HandMeshDataset):
    """Photos with pseudo-labels of ``tools/dataset_converters/label_photos.py``.

    Each entry is one hand. Its joints count in the image only: as ground truth in space
    they are invalid, and there is no mesh.

    Args:
        ann_file: JSON of that tool, in ``data_root``.
        trusted: names of the joints that count, without the wrist.
        min_presence: leave out hands of which the network was less sure.
        max_spread: leave out joints whose readings, the hand turned and mirrored, are
            further apart, over the longer side of the hand's box.

    Other arguments: see :class:`HandMeshDataset`.
    """

    METAINFO = metainfo_named('landmarked_photos')

    def __init__(
        self,
        trusted: Sequence[str] = TRUSTED,
        min_presence: float = 0.9,
        max_spread: float = 0.05,
        **kwargs,
    ) -> None:
        unknown = sorted(set(trusted) - set(OPENPOSE_JOINTS[1:]))
        if unknown:
            raise UserError(
                f'LandmarkedPhotoDataset: no joint {unknown[0]!r} besides the wrist; '
                f'choose from {OPENPOSE_JOINTS[1:]}'
            )
        self.trusted = np.isin(OPENPOSE_JOINTS, tuple(trusted))
        self.min_presence, self.max_spread = min_presence, max_spread
        super().__init__(**kwargs)

    def load_table(self) -> Table:
        """The columns of the JSON file."""
        hands = read_landmarks(self.ann_file)
        columns = dict(
            id=np.arange(len(hands)),
            slot=np.array([SIDES.index(hand['side']) for hand in hands], int),
            presence=np.array([hand['presence'] for hand in hands], float),
            size=np.array([hand['size'] for hand in hands], int).reshape(-1, 2),
            points=np.array([hand['points'] for hand in hands], float).reshape(
                -1, NUM_JOINTS, 2
            ),
            spread=np.array([hand['spread'] for hand in hands], float).reshape(
                -1, NUM_JOINTS
            ),
            file=Texts.of(hand['file'] for hand in hands),
        )
        return Table(columns, {})

    def select_rows(self) -> np.ndarray:
        """Hands of which the network was sure."""
        return np.flatnonzero(self.table.columns['presence'] >= self.min_presence)

    def read_row(self, row: int) -> dict:
        """One hand; its joints lie at one depth, on the rays through the landmarks."""
        columns = self.table.columns
        slot, size = int(columns['slot'][row]), columns['size'][row]
        focal = FOCAL * float(size.max())
        centre = (size - 1) / 2
        info = empty_sample(self.pair.template.shape[1])
        rays = (columns['points'][row] - centre) / focal
        info['joints_cam'][slot] = DEPTH * np.column_stack([rays, np.ones(NUM_JOINTS)])
        info['joints_valid'][slot] = info['joint_in_image'][slot] = self.counted(row)
        info['hand_presence'][slot] = info['hand_presence_valid'][slot] = 1
        info['hand_type'][:, slot] = 1
        path = Path(self.data_prefix.get('img', '')) / self.table.text('file', row)
        low, high = columns['points'][row].min(0), columns['points'][row].max(0)
        info.update(
            img_path=str(path),
            width=int(size[0]),
            height=int(size[1]),
            id=row,
            img_id=row,
            bbox=np.concatenate([low, high])[None],
            intrinsics=np.array(
                [[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]]
            ),
        )
        info.update(mmpose_fields(info))
        return info

    def count_all_joints(self) -> np.ndarray:
        """How many joints each hand of an entry has, (N, 2)."""
        counts = np.zeros((len(self), len(SIDES)), int)
        slots = self.table.columns['slot'][self.rows]
        counts[np.arange(len(slots)), slots] = self.counted(self.rows).sum(-1)
        return counts

    def counted(self, rows: int | np.ndarray) -> np.ndarray:
        """Which joints of hands are trusted and read alike each time, (..., 21)."""
        spread = self.table.columns['spread'][rows]
        return self.trusted & (spread <= self.max_spread)


def read_landmarks(path: str | Path) -> list[dict]:
    """The hands of a file of ``label_photos.py``.

    Returns: dicts with ``file``, ``size`` (w, h), ``side``, ``presence``, ``points``
        (21, 2) pixels and ``spread`` (21,), over the longer side of their box.
    """
    try:
        hands = json.loads(Path(path).read_bytes())['hands']
        for hand in hands:
            complete = np.shape(hand['points']) == (NUM_JOINTS, 2)
            complete &= np.shape(hand['spread']) == (NUM_JOINTS,)
            if not complete or hand['side'] not in SIDES:
                raise KeyError(hand.get('file'))
            float(hand['presence']), len(hand['size'])
    except OSError as error:
        raise UserError(
            f'{path}: cannot be read ({error.strerror}); '
            'tools/dataset_converters/label_photos.py writes it'
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path}: is no file of landmarks ({error}); write it with '
            'tools/dataset_converters/label_photos.py'
        ) from error
    return hands
