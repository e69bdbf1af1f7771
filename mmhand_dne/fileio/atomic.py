"""Files that appear whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from mmhand_dne.errors import UserError

PARTIAL = '.partial'


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file under another name, then give it its own.

    Creates the folder if needed; what goes wrong leaves nothing behind.

    Raises:
        OSError: the folder or the file cannot be written; names it.
    """
    path = Path(path)
    partial = path.with_name(f'.{path.name}{PARTIAL}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise OSError(
                f'{path}: cannot be written ({error.strerror}); choose '
                'another output folder'
            ) from error
        raise
    return path


def check_folder(folder: str | Path) -> Path:
    """Make a folder and see that files can be written there, before any work.

    Raises:
        OSError: they cannot; says why.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f'{folder}: nothing can be written there ({error.strerror}); '
            'choose another output folder'
        ) from error
    return folder


def write_picture(path: str | Path, picture: np.ndarray, quality: int = 92) -> Path:
    """Write (H, W, 3) uint8 RGB as .jpg or .png."""
    bgr = np.ascontiguousarray(picture[..., ::-1])
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, content = cv2.imencode(Path(path).suffix, bgr, options)
    if not done:
        raise UserError(f'{path}: a picture of {picture.shape} cannot be encoded')
    return write_whole(path, content.tobytes())
