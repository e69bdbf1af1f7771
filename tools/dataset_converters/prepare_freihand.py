"""Check a download of FreiHAND v2 and write its memory-mapped indexes.

    python tools/dataset_converters/prepare_freihand.py data/freihand_v2 \
        --hand-model FOLDER_OF_MANO

Writes freihand_training.index, freihand_evaluation.index and freihand_report.json into
the folder. The exit status is 0 if all is well, 1 if something has to be put right
(that split gets no index), 2 if the folder could not be checked at all. A run that was
killed leaves no half index; the next one starts over.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import common_parser

SPLITS = ('training', 'evaluation')


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
from mmhand_dne.datasets.datasets.freihand_mesh_dataset import INDEX
from mmhand_dne.datasets.preparation.check_report import PROBLEM, SKIPPED, CheckReport
from mmhand_dne.datasets.preparation.freihand_checks import (
    check_masks,
    check_meshes,
    check_rows,
    check_split_images,
)
from mmhand_dne.datasets.readers.freihand_files import SCHEMA, VERSION, find
from mmhand_dne.datasets.readers.index_file import Table, write_index
from mmhand_dne.hand_model import SingleHand


def prepare(args: argparse.Namespace, report: CheckReport) -> list[Path]:
    """Check the splits and write an index for each without problems."""
    hand, written = hand_of(args, report, tips='freihand'), []
    for split in args.splits:
        if find(args.root, f'{split}_K.json') is None:
            report.add(
                f'{split} split',
                SKIPPED if split == 'evaluation' else PROBLEM,
                f'no {split}_K.json in {args.root} or a folder FreiHAND_pub_v2* in it',
            )
            continue
        before = len(report.problems)
        try:
            table, files = check_rows(report, args.root, split, args.partial)
        except ValueError as error:
            report.add(f'{split} annotations', PROBLEM, str(error))
            continue
        check_split(args, report, split, table, hand)
        if len(report.problems) == before:
            path = args.place / INDEX.format(split=split)
            content = table.all_columns(), table.meta
            write_index(path, SCHEMA, VERSION, *content, list(files.values()))
            written.append(path)
    return written


def check_split(
    args: argparse.Namespace,
    report: CheckReport,
    split: str,
    table: Table,
    hand: SingleHand | None,
) -> None:
    """Check what a split's rows stand for: meshes, images and masks."""
    count = len(table.columns['id'])
    if hand is not None and 'joints' in table.columns:
        check_meshes(report, split, table, hand)
    decode = args.images == 'decode'
    check_split_images(
        report, args.root, split, count, decode, args.partial, args.workers
    )
    if split == 'training':
        check_masks(report, args.root, count)


def main() -> None:
    """Check the download that the command line names."""
    args = parse_args()
    with plain_errors():
        report = start_report('FreiHAND', args.root)
        args.place = place_of(args)
        written = prepare(args, report)
        status = conclude(report, args.place / 'freihand_report.json', written)
    sys.exit(status)


if __name__ == '__main__':
    main()
