"""What a user gives: images, folders, patterns, videos, a camera, arrays."""

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from PIL.Image import Image
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.images import (
    check_array,
    count_frames,
    from_pillow,
    from_tensor,
    read_image,
)

from .file_names import distinct_names, next_name
from .video import BEGINNING, Video, Webcam, begins_a_video

IMAGE_ENDINGS = tuple(
    '.jpg .jpeg .png .bmp .tif .tiff .webp .gif .ppm .pgm .jp2 .jfif .heic .heif .avif'
    ''.split()
)
VIDEO_ENDINGS = tuple(
    '.mp4 .avi .mov .mkv .webm .m4v .mpg .mpeg .wmv .flv .ogv .3gp .mts .ts .m2ts .vob '
    '.3g2 .asf .f4v .mxf'.split()
)
MAY_MOVE = ('.gif', '.webp', '.png', '.tif', '.tiff')  # images of several frames
WEBCAM = re.compile(r'webcam(?::(\d+))?', re.IGNORECASE)
Picture = str | Path | np.ndarray | Image | Tensor
GIVEN = Picture | Iterable[Picture]
NOTHING = 'the list of inputs is empty; give at least one image'
IN_MEMORY = {np.ndarray: 'array', Image: 'picture', Tensor: 'tensor'}


class InputFrame(NamedTuple):
    """One image of the input.

    Attributes:
        index: in the input, from 0.
        source: path, 'array 3' ('picture 3', 'tensor 3'), or path of the video.
        name: for files about it, different for every image of the input.
        image: (H, W, 3) uint8 BGR; None where it could not be decoded.
        problem: why not, else ''.
        time: of a video's frame, seconds from its first one.
    """

    index: int
    source: str
    name: str
    image: np.ndarray | None
    problem: str = ''
    time: float = 0.0


class Images:
    """Image files, arrays, Pillow images, tensors; iterating decodes one at a time.

    Attributes:
        names: of the images, for files about them.

    Raises:
        ValueError: what is in memory is no image.
    """

    fps, is_video, is_live = None, False, False

    def __init__(self, items: Sequence[Picture]) -> None:
        self.sources = [_source_of(item, i) for i, item in enumerate(items)]
        self.items = [
            _pixels_or_path(item, source) for item, source in zip(items, self.sources)
        ]
        self.names = distinct_names(self.sources)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[InputFrame]:
        return map(self.frame, range(len(self)))

    def name_of(self, index: int) -> str:
        """Of the files about an image."""
        return self.names[index]

    @property
    def title(self) -> str:
        """Of the whole input."""
        one = len(self) == 1
        return self.sources[0] if one else f'{len(self)} images'

    def frame(self, index: int) -> InputFrame:
        """Decode one; what cannot be decoded says why."""
        return _frame(self.items[index], index, self.sources[index], self.names[index])


class ImageStream:
    """Images of an iterator, such as a generator, each taken when it is its turn.

    How many there are is not known: the length is 0. Iterating raises what
    :class:`Images` raises, when it comes to it, and a ValueError if there is nothing.
    """

    fps, is_video, is_live = None, False, False
    title = 'images of an iterator'

    def __init__(self, items: Iterator[Picture]) -> None:
        self.items = items

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[InputFrame]:
        taken: set[str] = set()
        for index, item in enumerate(self.items):
            source = _source_of(item, index)
            pixels = _pixels_or_path(item, source)
            yield _frame(pixels, index, source, next_name(source, index, taken))
        if not taken:
            raise UserError(NOTHING)


class VideoFrames:
    """The frames of one video or camera."""

    is_video = True

    def __init__(self, video: Video | Webcam, source: str) -> None:
        self.video, self.source = video, source
        self.is_live = isinstance(video, Webcam)
        self.fps = video.fps
        self.stem = 'webcam' if self.is_live else distinct_names([source])[0]
        self.row_file = f'{self.stem}.jsonl'

    def __len__(self) -> int:
        return len(self.video)

    def __iter__(self) -> Iterator[InputFrame]:
        for number, image, time in self.video:
            damaged = f'{self.source}: frame {number} could not be decoded'
            yield InputFrame(
                number,
                self.source,
                self.name_of(number),
                image,
                damaged if image is None else '',
                time,
            )

    def name_of(self, index: int) -> str:
        """Of the files about a frame."""
        return f'{self.stem}_{index:06d}'

    @property
    def title(self) -> str:
        """Of the whole input."""
        return self.source


def open_input(inputs: GIVEN) -> Images | ImageStream | VideoFrames:
    """What a user means by an input.

    Args:
        inputs: path of an image, a folder (its images, sorted by name, not its
            sub-folders), a pattern such as ``'photos/*.jpg'``, path of a video or of a
            GIF that moves,
            ``'webcam:0'``, an array (H, W, 3) BGR (:func:`check_array`), a Pillow
            image, a tensor (:func:`from_tensor`), several arrays or tensors stacked
            along a first axis, or an iterable of paths, arrays, images and tensors;
            an iterator is not read ahead.
    Raises:
        ValueError: there is nothing at that path, or nothing that can be read, or
            something in memory is no image.
    """
    if isinstance(inputs, (str, Path)):
        return _open_path(str(inputs))
    if isinstance(inputs, (np.ndarray, Tensor)):
        items = list(inputs) if inputs.ndim == 4 else [inputs]
    elif isinstance(inputs, (bytes, Mapping, Image)) or not isinstance(
        inputs, Iterable
    ):
        items = [inputs]
    elif isinstance(inputs, Iterator):
        return ImageStream(inputs)
    else:
        items = list(inputs)
    if not items:
        raise UserError(NOTHING)
    return Images(items)


def _frame(item: np.ndarray | str, index: int, source: str, name: str) -> InputFrame:
    """An image, decoded if it is a path; what cannot be decoded says why."""
    image, problem = None, ''
    try:
        if isinstance(item, np.ndarray):
            image = item
        else:
            image = read_image(item)
            _tell_of_frames(item)
    except ValueError as error:
        problem = str(error)
    return InputFrame(index, source, name, image, problem)


def _source_of(item: Picture, index: int) -> str:
    """How an input is called."""
    if isinstance(item, (str, Path)):
        return str(item)
    for kind, word in IN_MEMORY.items():
        if isinstance(item, kind):
            return f'{word} {index}'
    raise UserError(
        f'an input is a {type(item).__name__}; expected paths of images, arrays '
        "(H, W, 3), Pillow images or tensors, or 'webcam:0' for a camera"
    )


def _pixels_or_path(item: Picture, source: str) -> np.ndarray | str:
    """What is in memory as (H, W, 3) uint8 BGR, a path as it is."""
    if isinstance(item, np.ndarray):
        return check_array(item, source)
    if isinstance(item, Image):
        return from_pillow(item, source)
    return from_tensor(item, source) if isinstance(item, Tensor) else str(item)


def _open_path(path: str) -> Images | VideoFrames:
    webcam = WEBCAM.fullmatch(path)
    if webcam:
        return VideoFrames(Webcam(int(webcam.group(1) or 0)), path.lower())
    if '://' in path:
        raise UserError(f'{path}: is an address; download the file first')
    if os.path.isdir(path):
        return Images(_in_folder(path))
    if os.path.exists(path):
        is_video = _is_video(path)
        return VideoFrames(Video(path), path) if is_video else Images([path])
    if glob.has_magic(path):
        return Images(_matching(path))
    raise UserError(f'{path}: there is no such file or folder; check the path')


def _is_video(path: str) -> bool:
    """By the ending; of an unknown one, and of GIF, by the content."""
    ending = Path(path).suffix.lower()
    if ending == '.gif':
        return count_frames(path) > 1
    if ending in IMAGE_ENDINGS or ending in VIDEO_ENDINGS:
        return ending in VIDEO_ENDINGS
    with open(path, 'rb') as file:
        return begins_a_video(file.read(BEGINNING))


def _tell_of_frames(path: str) -> None:
    """Warn where an image has frames that are not read."""
    if path.lower().endswith(MAY_MOVE) and (frames := count_frames(path)) > 1:
        print_log(
            f'{path}: has {frames} frames, of which the first is read; to read all, '
            'give a GIF alone, or make it a video',
            'current',
            level=logging.WARNING,
        )


def _in_folder(path: str) -> list[str]:
    """The images of a folder, sorted by name."""
    found = sorted(
        str(entry)
        for entry in Path(path).iterdir()
        if entry.suffix.lower() in IMAGE_ENDINGS
    )
    if not found:
        raise UserError(
            f'{path}: the folder has no image ('
            f'{", ".join(IMAGE_ENDINGS[:3])}, ...); check the path'
        )
    return found


def _matching(pattern: str) -> list[str]:
    """The images that match a pattern, sorted by name."""
    found = sorted(
        name
        for name in glob.glob(pattern, recursive=True)
        if name.lower().endswith(IMAGE_ENDINGS)
    )
    if not found:
        raise UserError(f'{pattern}: no image matches this pattern; check it')
    return found
