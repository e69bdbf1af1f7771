"""What the three prepare tools have in common: a report, an exit status."""

import argparse
from pathlib import Path

from mmhand_dne.datasets.preparation.check_report import SKIPPED, CheckReport
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import try_writing
from mmhand_dne.hand_model import SingleHand


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
