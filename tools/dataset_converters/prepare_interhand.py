"""Check a download of InterHand2.6M and write its memory-mapped indexes.

    python tools/dataset_converters/prepare_interhand.py data/interhand2.6m \
        --hand-model FOLDER_OF_MANO

Reads annotations/{train,val,test} of release v1.0 (5 or 30 frames a second) or
annotations/{all,human_annot,machine_annot} of v0.0, and the images in images/{split}.
Writes InterHand2.6M_<split>_data.index beside each data file, where the data set finds
it, and interhand_report.json into the folder. The exit status is 0 if all is well, 1 if
something has to be put right (that split gets no index), 2 if the folder could not be
checked at all. A run that was killed leaves no half index; the next one starts over.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import common_parser

SPLITS = ('train', 'val', 'test')


def parse_args() -> argparse.Namespace:
    """The flags that all prepare tools have, and where the images are."""
    parser = common_parser(__doc__, SPLITS, images=('decode', 'sample', 'exist'))
    parser.add_argument(
        '--image-root',
        type=Path,
        help='folder of {train,val,test}/Capture* (default: '
        'images in the folder of the download)',
    )
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.cli.prepare_command import (
    conclude,
    place_of,
    start_report,
)
from mmhand_dne.datasets.preparation.check_report import PROBLEM, SKIPPED, CheckReport
from mmhand_dne.datasets.preparation.interhand_checks import (
    check_counts,
    check_fits,
    check_ids,
    check_projection,
)
from mmhand_dne.datasets.preparation.interhand_images import check_interhand_images
from mmhand_dne.datasets.preparation.interhand_routes import check_routes
from mmhand_dne.datasets.readers.index_file import Table, write_index
from mmhand_dne.datasets.readers.interhand_filters import fingerprint
from mmhand_dne.datasets.readers.interhand_table import (
    SCHEMA,
    VERSION,
    InterHandPart,
    find_parts,
    read_table,
)
from mmhand_dne.hand_model import HandPair


def prepare_part(
    args: argparse.Namespace,
    report: CheckReport,
    part: InterHandPart,
    pair: HandPair | None,
) -> bool:
    """Check one part and, without problems, write its index; whether it did."""
    before, name = len(report.problems), part.name
    print(f'reading {part.files.data}', flush=True)
    try:
        table = read_table(part.files)
    except ValueError as error:
        report.add(f'{name} annotations', PROBLEM, str(error))
        return False
    if part.name == part.split:
        check_counts(report, part.split, table)
    check_ids(report, name, table)
    check_projection(report, name, table)
    extra, meta = check_meshes(report, part, table, pair)
    folder = (args.image_root or args.root / 'images') / part.split
    greys = check_interhand_images(
        report, name, table, folder, args.images, args.partial, args.workers
    )
    if args.images == 'decode':
        extra['mean_grey'] = np.asarray(greys)
    if len(report.problems) > before:
        return False
    write_index(
        index_of(args, part),
        SCHEMA,
        VERSION,
        {**table.all_columns(), **extra},
        {**table.meta, **meta},
        part.files.present(),
    )
    return True


def index_of(args: argparse.Namespace, part: InterHandPart) -> Path:
    """Where a part's index goes: beside its data file, or in ``--index``."""
    if args.index is None:
        return part.files.index
    # Release v0.0 has files of the same name in several folders.
    folder = args.index / Path(part.name).parent
    folder.mkdir(exist_ok=True)
    return folder / part.files.index.name


def check_meshes(
    report: CheckReport, part: InterHandPart, table: Table, pair: HandPair | None
) -> tuple[dict, dict]:
    """Check MANO parameters against joints; what an index gets of it: columns, meta."""
    name = part.name
    if part.files.mano is None:
        report.add(f'{name} MANO', SKIPPED, 'no MANO_NeuralAnnot.json beside the data')
        return {}, {}
    if pair is None:
        report.add(f'{name} MANO and joints', SKIPPED, 'needs --hand-model FOLDER')
        return {}, {}
    errors = check_fits(report, name, table, pair)
    check_routes(report, name, table, pair)
    return dict(frame_fit_error=errors), dict(fit_hand=fingerprint(pair))


def main() -> None:
    """Check the download that the command line names."""
    args = parse_args()
    with plain_errors():
        report = start_report('InterHand2.6M', args.root)
        place = place_of(args)
        parts = find_parts(args.root, args.splits)
        pair = HandPair(source=args.hand_model) if args.hand_model else None
        written = [
            index_of(args, part)
            for part in parts
            if prepare_part(args, report, part, pair)
        ]
        status = conclude(report, place / 'interhand_report.json', written)
    sys.exit(status)


if __name__ == '__main__':
    main()
