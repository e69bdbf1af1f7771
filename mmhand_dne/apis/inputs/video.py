"""Videos: reading every frame by its number, writing as many at the same rate."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import whole_file

OFF_GRID = 0.1  # frames; a time stamp farther from a multiple is of a variable rate
BEGINNING = 512  # bytes that tell a video
PICTURE_BRANDS = (
    b'heic',
    b'heix',
    b'heim',
    b'heis',
    b'mif1',
    b'msf1',
    b'avif',
    b'avis',
)
# Of MPEG streams without and with time codes: where packets begin, and their length.
TRANSPORT_PACKETS = ((0, 188), (4, 192))
# Matroska and WebM, Ogg, Flash, MPEG program streams, Windows Media.
VIDEO_STARTS = (b'\x1aE\xdf\xa3', b'OggS', b'FLV', b'\x00\x00\x01\xba', b'0&\xb2u')
CODECS = {'.avi': 'MJPG', '.mp4': 'mp4v', '.mkv': 'mp4v', '.mov': 'mp4v'}
# By clockwise quarters that a file asks for.
QUARTER_TURNS = (
    None,
    cv2.ROTATE_90_CLOCKWISE,
    cv2.ROTATE_180,
    cv2.ROTATE_90_COUNTERCLOCKWISE,
)
MOST_DAMAGED = 100  # frames at the beginning before a video counts as unreadable
DEFAULT_RATE = 30.0  # frames per second, where a camera does not tell its own


def begins_a_video(content: bytes) -> bool:
    """Whether a file that begins so, with its first BEGINNING bytes, is a video."""
    if content[4:8] == b'ftyp':  # MP4 and MOV, but HEIC and AVIF pictures too
        return content[8:12] not in PICTURE_BRANDS
    packets = any(
        content[first : first + 2 * length : length] == b'GG'
        for first, length in TRANSPORT_PACKETS
    )
    avi = content[:4] == b'RIFF' and content[8:12] == b'AVI '
    return packets or avi or content.startswith(VIDEO_STARTS)


class Video:
    """A video file; iterating gives (number, image), None for what is damaged.

    Images are upright: the rotation that the file asks for (phones' videos) is applied.
    Numbers count from 0 and none is left out: a frame that does not decode keeps its
    number, so that what is written of the frames has the video's length and rate.

    Raises:
        ValueError: the file is empty or no video that OpenCV can open, or none of its
            first frames can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if os.path.getsize(self.path) == 0:
            raise UserError(f'{path}: the file is empty (0 bytes)')
        capture = self._open()
        self.fps = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE
        self.count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        stored = (
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        quarters = round(capture.get(cv2.CAP_PROP_ORIENTATION_META) / 90) % 4
        self.turn = QUARTER_TURNS[quarters]
        self.size = stored[::-1] if quarters % 2 else stored
        self._check_decodes(capture)
        capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self.path)
        if not capture.isOpened():
            raise UserError(f'{self.path}: is not a video that OpenCV can open')
        # Whether OpenCV would apply it by itself differs between its builds.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        return capture

    def __len__(self) -> int:
        return self.count

    def _check_decodes(self, capture: cv2.VideoCapture) -> None:
        """Refuse a codec that this OpenCV does not know, before anything is run."""
        tried = min(max(self.count, 1), MOST_DAMAGED)
        if any(capture.read()[0] for _ in range(tried)):
            return
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little')
        raise UserError(
            f'{self.path}: none of the first {tried} frames can be decoded by this '
            f'OpenCV (codec {codec.decode("ascii", "replace")}); convert the video, as '
            'by ffmpeg -i IN -c:v libx264 OUT.mp4'
        )

    def __iter__(self) -> Iterator[tuple[int, np.ndarray | None]]:
        capture, number, steady = self._open(), 0, True
        try:
            while True:
                decoded, image = capture.read()
                if not decoded:
                    if number >= self.count:
                        return
                    yield number, None
                    number += 1
                    continue
                # Some decoders pass over a damaged frame: its time is then missing.
                time = capture.get(cv2.CAP_PROP_POS_MSEC) * self.fps / 1000
                steady = steady and abs(time - round(time)) < OFF_GRID
                while steady and number < min(round(time), self.count - 1):
                    yield number, None
                    number += 1
                yield number, self._upright(image)
                number += 1
        finally:
            capture.release()

    def _upright(self, image: np.ndarray) -> np.ndarray:
        return image if self.turn is None else cv2.rotate(image, self.turn)


class Webcam:
    """Live frames until the camera stops."""

    count = 0

    def __init__(self, device: int = 0) -> None:
        self.capture = cv2.VideoCapture(device)
        if not self.capture.isOpened():
            raise UserError(
                f'webcam:{device}: there is no such camera, or another '
                'program has it; try another number'
            )
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[tuple[int, np.ndarray | None]]:
        number = 0
        try:
            while True:
                decoded, image = self.capture.read()
                if not decoded:
                    return
                yield number, image
                number += 1
        finally:
            self.capture.release()


class VideoWriter:
    """Writes pictures of one size to a video, which appears when it is complete.

    Args:
        path: ends in .mp4 or .avi.
        fps: frames per second.

    Use it in a ``with`` statement; an exception inside leaves no file behind.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path, self.fps = Path(path), fps
        self.writer, self.size, self.count = None, None, 0
        self._file = ExitStack()  # holds the video's file while it is not whole
        if self.path.suffix.lower() not in CODECS:
            raise UserError(
                f'{path}: unknown kind of video; let the name end in '
                f'{" or ".join(CODECS)}'
            )

    def __enter__(self) -> 'VideoWriter':
        return self

    def add(self, image: np.ndarray) -> None:
        """Append one picture (H, W, 3) uint8 RGB; later sizes are fitted to the first.

        Raises:
            ValueError: the file cannot be written.
        """
        if self.writer is None:
            self._start(image)
        if image.shape[1::-1] != self.size:
            image = cv2.resize(image, self.size)
        self.writer.write(np.ascontiguousarray(image[..., ::-1]))
        self.count += 1

    def _start(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        self.size = (width - width % 2, height - height % 2)  # codecs ask for even ones
        codec = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        partial = self._file.enter_context(whole_file(self.path, keep_suffix=True))
        self.writer = cv2.VideoWriter(str(partial), codec, self.fps, self.size)
        if not self.writer.isOpened():
            raise UserError(
                f'{self.path}: the video cannot be written; check the '
                "folder's permissions, or let the name end in .avi"
            )

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.release()
        self._file.__exit__(*error)
