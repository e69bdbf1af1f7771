"""Whether image files are there and whole."""
from pathlib import Path
from typing import NamedTuple

from ..transforms.load_hand_image import LoadHandImage

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
