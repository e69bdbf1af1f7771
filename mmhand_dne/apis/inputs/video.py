"""Videos: reading every frame by its number, writing as many at the same times."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import whole_file

from .timed_video import INSTALL, TimedWriter, decoded_frames, has_pyav

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
TIMED = '.mp4'  # the ending of files in which pictures have their own times
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
    """A video file; iterating gives (number, image, time), None for a damaged image.

    Images are upright: the rotation that the file asks for (phones' videos) is applied.
    Numbers count from 0 and none is left out: a frame that does not decode keeps its
    number, so that what is written of the frames has the video's length and rate. Times
    are seconds from the first frame, by the file's time stamps: phones' videos have
    frames of different lengths.

    Raises:
        ValueError: the file is empty or no video that OpenCV can open, or none of its
            first frames can be decoded, by PyAV neither.
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
        """Refuse a codec that is not known here, before anything is run."""
        tried = min(max(self.count, 1), MOST_DAMAGED)
        self.by_pyav = not any(capture.read()[0] for _ in range(tried))
        if not self.by_pyav:
            return
        first = None
        if has_pyav():
            with suppress(UserError):
                first = next(decoded_frames(self.path), None)
        if first is None:
            self._refuse(capture, tried)

    def _refuse(self, capture: cv2.VideoCapture, tried: int) -> None:
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little')
        by = 'this OpenCV or PyAV' if has_pyav() else 'this OpenCV'
        more = '' if has_pyav() else f', or {INSTALL}'
        raise UserError(
            f'{self.path}: none of the first {tried} frames can be decoded by {by} '
            f'(codec {codec.decode("ascii", "replace")}); convert the video, as '
            f'by ffmpeg -i IN -c:v libx264 OUT.mp4{more}'
        )

    def __iter__(self) -> Iterator[tuple[int, np.ndarray | None, float]]:
        if not self.by_pyav:
            yield from self._by_opencv()
            return
        for number, (image, seconds) in enumerate(decoded_frames(self.path)):
            yield number, self._upright(image), seconds

    def _by_opencv(self) -> Iterator[tuple[int, np.ndarray | None, float]]:
        capture, number, steady, last = self._open(), 0, True, -1 / self.fps
        try:
            while True:
                decoded, image = capture.read()
                if not decoded:
                    if number >= self.count:
                        return
                    last += 1 / self.fps
                    yield number, None, last
                    number += 1
                    continue
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if not seconds > last:  # OpenCV does not know it
                    seconds = last + 1 / self.fps
                # Some decoders pass over a damaged frame: its time is then missing.
                place = seconds * self.fps
                steady = steady and abs(place - round(place)) < OFF_GRID
                while steady and number < min(round(place), self.count - 1):
                    yield number, None, number / self.fps
                    number += 1
                last = seconds
                yield number, self._upright(image), seconds
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

    def __iter__(self) -> Iterator[tuple[int, np.ndarray | None, float]]:
        number, start = 0, time.monotonic()
        try:
            while True:
                decoded, image = self.capture.read()
                if not decoded:
                    return
                yield number, image, time.monotonic() - start
                number += 1
        finally:
            self.capture.release()


class VideoWriter:
    """Writes pictures of one size to a video, which appears when it is complete.

    With PyAV an MP4 file is H.264, and each picture has its own time; without, all are
    shown for the same time, and it is said where that moves one.

    Args:
        path: ends in .mp4 or .avi.
        fps: frames per second.
        codec: four letters that OpenCV writes where PyAV does not; by default what
            every player knows.

    Use it in a ``with`` statement; an exception inside leaves no file behind.

    Raises:
        OSError: the video could not be written whole, as on a full disk; names it.
    """

    def __init__(self, path: str | Path, fps: float, codec: str | None = None) -> None:
        self.path, self.fps, self.codec = Path(path), fps, codec
        self.writer, self.size, self.count = None, None, 0
        self.timed = self.path.suffix.lower() == TIMED and has_pyav()
        self.farthest = 0.0  # seconds that a picture is shown beside its time
        self._file = ExitStack()  # holds the video's file while it is not whole
        if self.path.suffix.lower() not in CODECS:
            raise UserError(
                f'{path}: unknown kind of video; let the name end in '
                f'{" or ".join(CODECS)}'
            )

    def __enter__(self) -> 'VideoWriter':
        return self

    def add(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Append one picture (H, W, 3) uint8 RGB; later sizes are fitted to the first.

        Args:
            seconds: when it is shown, after those before it; by default, when its
                number and the rate say.

        Raises:
            ValueError: the file cannot be written.
        """
        if self.writer is None:
            self._start(image)
        if image.shape[1::-1] != self.size:
            image = cv2.resize(image, self.size)
        even = self.count / self.fps
        seconds = even if seconds is None else seconds
        if self.timed:
            self.writer.write(image, seconds)
        else:
            self.writer.write(np.ascontiguousarray(image[..., ::-1]))
            self.farthest = max(self.farthest, abs(seconds - even))
        self.count += 1

    def _start(self, image: np.ndarray) -> None:
        height, width = image.shape[:2]
        self.size = (width - width % 2, height - height % 2)  # codecs ask for even ones
        self.partial = self._file.enter_context(whole_file(self.path, keep_suffix=True))
        if self.timed:
            self.writer = TimedWriter(self.partial, self.fps, self.size, self.path)
            return
        letters = self.codec or CODECS[self.path.suffix.lower()]
        codec = cv2.VideoWriter_fourcc(*letters)
        self.writer = cv2.VideoWriter(str(self.partial), codec, self.fps, self.size)
        if not self.writer.isOpened():
            raise UserError(
                f'{self.path}: the video cannot be written; check the '
                "folder's permissions, or let the name end in .avi"
            )

    def __exit__(self, *error: object) -> None:
        try:
            if self.writer is not None:
                self._finish(bool(error and error[0]))
        except BaseException as full:
            self._file.__exit__(type(full), full, full.__traceback__)
            raise
        self._file.__exit__(*(error or (None, None, None)))

    def _finish(self, failed: bool) -> None:
        """Close the file; refuse one that is not whole, which OpenCV does not tell."""
        if self.timed:
            self.writer.abandon() if failed else self.writer.close()
            return
        self.writer.release()
        if failed:
            return
        written = cv2.VideoCapture(str(self.partial))
        count = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if count != self.count:
            raise OSError(
                f'{self.path}: the video could not be written whole ({max(count, 0)} '
                f'of {self.count} frames); is the disk full? Choose another folder'
            )
        if self.farthest > 1 / self.fps:
            print_log(
                f'{self.path}: the frames of the input have different lengths, which '
                f'this OpenCV cannot write: pictures are up to {self.farthest:.2f} s '
                f'beside their time; {INSTALL}',
                'current',
                level=logging.WARNING,
            )
