"""Whether image files are there and whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmhand_dne.datasets.workers import in_workers

from ..transforms.load_hand_image import LoadHandImage
from .check_report import PROBLEM, WARNING, CheckReport

MISSING = 'missing'


class ImageToCheck(NamedTuple):
    """A file and what it should be."""

    path: str
    size: tuple  # (W, H) pixels
    decode: bool  # else only whether it is there and not empty


def problem_of(image: ImageToCheck) -> str:
    """'' if the image can be used, ``MISSING``, or a sentence that names it."""
    path = Path(image.path)
    if not path.is_file():
        return MISSING
    if not image.decode:
        return '' if path.stat().st_size else f'{path}: the file is empty'
    try:
        width, height = image.size
        LoadHandImage().transform(dict(img_path=image.path, width=width, height=height))
    except ValueError as error:
        return str(error)
    return ''


def check_images(
    report: CheckReport,
    name: str,
    images: Sequence[ImageToCheck],
    partial: bool,
    workers: int,
) -> None:
    """Report how many images are missing and how many are damaged.

    Args:
        partial: whether missing ones are expected.
        workers: processes.
    """
    problems = list(in_workers(problem_of, images, workers, name))
    report_images(report, name, [image.path for image in images], problems, partial)


def report_images(
    report: CheckReport,
    name: str,
    paths: Sequence[str],
    problems: Sequence[str],
    partial: bool,
) -> None:
    """Report the answers of :func:`problem_of` for some paths."""
    missing = [path for path, problem in zip(paths, problems) if problem == MISSING]
    damaged = [problem for problem in problems if problem not in ('', MISSING)]
    whole = len(paths) - len(missing) - len(damaged)
    report.expect(
        name,
        not missing,
        f'{whole:,} of {len(paths):,} are whole',
        'all' if not missing else f'all: {len(missing):,} are missing',
        missing,
        otherwise=WARNING if partial else PROBLEM,
    )
    if damaged:
        report.add(f'{name}: damaged', PROBLEM, f'{len(damaged):,}', damaged)
