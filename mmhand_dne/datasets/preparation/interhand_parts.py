"""Which annotation files of InterHand2.6M a download has."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmhand_dne.datasets.readers.interhand_table import InterHandFiles
from mmhand_dne.errors import UserError

OLD_FOLDERS = ('all', 'human_annot', 'machine_annot')  # of release v0.0
KINDS = ('data', 'camera', 'joint_3d', 'MANO_NeuralAnnot')


class Part(NamedTuple):
    """One data file and what belongs to it."""

    name: str  # 'train', or 'all/train' of v0.0
    split: str
    files: InterHandFiles


def find_parts(root: Path, splits: Sequence[str]) -> list[Part]:
    """The data files that are there, of either release.

    Raises:
        ValueError: there is none.
    """
    parts = []
    for split in splits:
        for folder in (split, *OLD_FOLDERS):
            place = root / 'annotations' / folder
            data, camera, joints, mano = (
                place / f'InterHand2.6M_{split}_{kind}.json' for kind in KINDS
            )
            if data.is_file():
                files = InterHandFiles(
                    data, camera, joints, mano if mano.is_file() else None
                )
                name = split if folder == split else f'{folder}/{split}'
                parts.append(Part(name, split, files))
    if not parts:
        raise UserError(
            f'{root}: no annotations/<split>/InterHand2.6M_<split>_data.json for any '
            f'of {", ".join(splits)}; give the folder that holds annotations/ and '
            'images/'
        )
    return parts
