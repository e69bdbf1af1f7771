"""Check a download of HO-3D v2 or v3 and write its memory-mapped indexes.

    python tools/dataset_converters/prepare_ho3d.py data/HO3D_v3 \
        --hand-model FOLDER_OF_MANO

Writes ho3d_train.index, ho3d_evaluation.index and ho3d_report.json into the folder. The
exit status is 0 if all is well, 1 if something has to be put right (that split gets no
index), 2 if the folder could not be checked at all. A run that was killed leaves no
half index; the next one starts over.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import common_parser

SPLITS = ('train', 'evaluation')


def parse_args() -> argparse.Namespace:
    """The flags that all prepare tools have."""
    return common_parser(__doc__, SPLITS).parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.cli.prepare_command import (
    conclude,
    hand_of,
    place_of,
    start_report,
)
from mmhand_dne.datasets.datasets.ho3d_mesh_dataset import INDEX
from mmhand_dne.datasets.preparation.check_report import PROBLEM, SKIPPED, CheckReport
from mmhand_dne.datasets.preparation.ho3d_checks import (
    check_frames,
    check_geometry,
    check_gt,
    check_mano,
    columns_of,
)
from mmhand_dne.datasets.readers.ho3d_files import SCHEMA, VERSION
from mmhand_dne.datasets.readers.index_file import Texts, write_index
from mmhand_dne.hand_model import SingleHand


def prepare(args: argparse.Namespace, report: CheckReport) -> list[Path]:
    """Check the splits and write an index for each without problems."""
    hand = hand_of(args, report, tips='ho3d', joints='kinematic')
    written = []
    for split in args.splits:
        listed = args.root / f'{split}.txt'
        if not listed.is_file():
            report.add(f'{split} split', PROBLEM, f'no {listed}')
            continue
        before = len(report.problems)
        checked = check_split(args, report, split, hand)
        if checked is not None and len(report.problems) == before:
            columns, files = checked
            path = args.place / INDEX.format(name=split)
            write_index(path, SCHEMA, VERSION, columns, {}, [listed, *files])
            written.append(path)
    return written


def check_split(
    args: argparse.Namespace, report: CheckReport, split: str, hand: SingleHand | None
) -> tuple[dict, list[Path]] | None:
    """Check a split's frames.

    Returns: an index's columns and the files of released ground truth among them; None
        where the list or an annotation is not readable.
    """
    decode = args.images == 'decode'
    try:
        names, found = check_frames(
            report, args.root, split, decode, args.partial, args.workers
        )
    except ValueError as error:
        report.add(f'{split} list', PROBLEM, str(error))
        return None
    if any(one.problem for one in found):
        report.add(f'{split} geometry', SKIPPED, 'needs all annotations')
        return None
    columns = columns_of(found)
    check_geometry(report, split, names, columns)
    if hand is not None:
        check_mano(report, split, names, columns, hand)
    gt, files = {}, []
    if split == 'evaluation':
        gt, files = check_gt(report, args.root, names, columns)
    texts = Texts.of('/'.join(name) for name in names)
    return dict(name=texts, **columns, **gt), files


def main() -> None:
    """Check the download that the command line names."""
    args = parse_args()
    with plain_errors():
        report = start_report('HO-3D', args.root)
        args.place = place_of(args)
        written = prepare(args, report)
        status = conclude(report, args.place / 'ho3d_report.json', written)
    sys.exit(status)


if __name__ == '__main__':
    main()
