"""What the three prepare tools have in common: flags, a report, an exit status."""

import argparse
import os
from pathlib import Path

from mmhand_dne.datasets.preparation.check_report import SKIPPED, CheckReport
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import try_writing
from mmhand_dne.hand_model import SingleHand


def common_parser(
    description: str,
    splits: tuple[str, ...],
    images: tuple[str, ...] = ('decode', 'exist'),
) -> argparse.ArgumentParser:
    """The parser of a prepare tool; ``images`` are the choices of looking at them."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('root', type=Path, help='the folder of the download')
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=splits,
        default=list(splits),
        help='which to check and to index (default: all)',
    )
    parser.add_argument(
        '--hand-model',
        metavar='FOLDER',
        help="folder of MANO_RIGHT.pkl (v1.2), or 'cc0': also check that "
        'MANO parameters, meshes and joints belong together',
    )
    parser.add_argument(
        '--images',
        choices=images,
        default='decode',
        help='decode every image, some of them, or only see that they are there '
        '(default: decode)',
    )
    parser.add_argument(
        '--index',
        type=Path,
        metavar='PLACE',
        help='folder for indexes and report, where the download is read-only (default: '
        "the download's own); data sets get it as index=PLACE",
    )
    parser.add_argument(
        '--partial',
        action='store_true',
        help='only a part was downloaded: missing images and other counts than the '
        'official ones are warnings',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes (default: all cores)',
    )
    return parser


def start_report(title: str, root: Path) -> CheckReport:
    """An empty report on a download.

    Raises:
        ValueError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f'{root}: no such folder; give that of the download')
    report = CheckReport(f'{title} in {root}')
    print(report.title)
    return report


def place_of(args: argparse.Namespace) -> Path:
    """The folder for indexes and report, which can be written to.

    Raises:
        ValueError: nothing can be written there; said before anything is read.
    """
    place = args.index or args.root
    try:
        if args.index:
            place.mkdir(parents=True, exist_ok=True)
        try_writing(place)
    except OSError as error:
        raise UserError(
            f'{place}: no index can be written there ({error.strerror}); give a folder '
            'of yours as --index PLACE, and the data sets index=PLACE'
        ) from error
    return place


def hand_of(
    args: argparse.Namespace, report: CheckReport, **choices
) -> SingleHand | None:
    """The right hand of ``--hand-model``; None, and said so, without one."""
    if args.hand_model is None:
        report.add('MANO, meshes and joints', SKIPPED, 'needs --hand-model FOLDER')
        return None
    return SingleHand(source=args.hand_model, **choices)


def conclude(report: CheckReport, path: Path, indexes: list[Path]) -> int:
    """Write the report, say what was done; the exit status: 1 with problems."""
    report.write(path)
    for index in indexes:
        print(f'index:  {index} ({index.stat().st_size / 1e6:,.1f} MB)')
    print(f'report: {path}')
    if report.problems:
        print(f'{len(report.problems)} problems; a split with one gets no index')
        return 1
    return 0
