"""Whether InterHand2.6M's images are there, whole, and not black."""

from pathlib import Path

import numpy as np

from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.datasets.workers import in_workers

from ..transforms.load_hand_image import LoadHandImage
from .check_report import OK, CheckReport
from .image_checks import ImageToCheck, problem_of, report_images

BLACK = 10.0  # of 255; IntagHand leaves out what is darker
EVERY = 100  # one image of so many is decoded for ``sample``


def grey_of(image: ImageToCheck) -> tuple[str, float]:
    """:func:`problem_of`, and the mean of all pixels and channels, NaN if unknown."""
    if not (image.decode and Path(image.path).is_file()):
        return problem_of(image), np.nan
    size = {
        name: number
        for name, number in zip(('width', 'height'), image.size)
        if number >= 0
    }
    try:
        found = LoadHandImage().transform(dict(img_path=image.path, **size))
    except ValueError as error:
        return str(error), np.nan
    return '', float(found['img'].mean())


def _images_of(table: Table, folder: Path, how: str) -> list[ImageToCheck]:
    """All images of a table; which are decoded, see :func:`check_interhand_images`."""
    sizes = table.columns['size'].tolist()
    every = dict(decode=1, sample=EVERY, exist=len(sizes) + 1)[how]
    return [
        ImageToCheck(
            str(folder / table.text('file_name', row)),
            tuple(size),
            row % every == 0 and how != 'exist',
        )
        for row, size in enumerate(sizes)
    ]


def check_interhand_images(
    report: CheckReport,
    split: str,
    table: Table,
    folder: Path,
    how: str,
    partial: bool,
    workers: int,
) -> np.ndarray:
    """Look at every image once.

    Args:
        folder: that ``file_name`` is relative to.
        how: 'decode' every image, decode a 'sample' of them, or see that they 'exist'.
        partial: whether missing images are expected.
        workers: processes.
    Returns: (N,) float32 mean grey value, NaN where the image was not decoded.
    """
    images = _images_of(table, folder, how)
    found = in_workers(grey_of, images, workers, f'{split} images, {how}')
    problems, greys = [], np.full(len(images), np.nan, np.float32)
    for row, (problem, grey) in enumerate(found):
        problems.append(problem)
        greys[row] = grey
    paths = [image.path for image in images]
    report_images(report, f'{split} image files', paths, problems, partial)
    if how == 'decode':
        black = int((greys < BLACK).sum())
        report.add(
            f'{split} black images',
            OK,
            f'{black:,} below grey {BLACK:.0f}; min_grey leaves them out',
        )
    return greys
