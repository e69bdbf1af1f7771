"""The video that plays in a report: small, and of a kind that browsers know."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mmhand_dne.apis.inputs.video import VideoWriter

if TYPE_CHECKING:
    from mmhand_dne.visualization.report.report_page import ReportVideo

CLIP_SECONDS = 60.0  # of a video, from its beginning
CLIP_SIZE = 480  # pixels of the longer side, at most
BROWSER_CODEC = 'vp09'  # of OpenCV without PyAV, whose MP4 files are H.264


class ReportClip:
    """The beginning of a video with its meshes, to stand in a page.

    Args:
        name: of the video, for the caption.
        fps: frames per second.

    Use it in a ``with`` statement.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, name: str, fps: float) -> None:
        self.name, self.ended = name, False
        self._folder = tempfile.TemporaryDirectory(prefix='report_')
        self.path = Path(self._folder.name) / 'clip.mp4'
        self._writer = VideoWriter(self.path, fps, BROWSER_CODEC)
        self._first: np.ndarray | None = None

    def __enter__(self) -> 'ReportClip':
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._writer.__exit__(*(error or (None, None, None)))
        finally:
            if error and error[0]:
                self._folder.cleanup()

    def wants(self, seconds: float) -> bool:
        """Whether a frame of that time belongs to it."""
        self.ended = self.ended or seconds >= CLIP_SECONDS
        return not self.ended

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """Append a picture (H, W, 3) uint8 RGB that is shown from ``seconds`` on."""
        scale = min(1.0, CLIP_SIZE / max(picture.shape[:2]))
        if scale < 1:
            picture = cv2.resize(
                picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        self._first = picture if self._first is None else self._first
        self._writer.add(picture, seconds)

    def take(self) -> 'ReportVideo | None':
        """What the page holds of it, once, after the ``with`` statement.

        None if no picture was added.
        """
        from mmhand_dne.visualization.report.report_page import ReportVideo

        content = self.path.read_bytes() if self._first is not None else None
        self._folder.cleanup()
        if content is None:
            return None
        begin = f'The first {CLIP_SECONDS:g} seconds of ' if self.ended else ''
        words = f'{begin}{self.name} with the predicted meshes'
        return ReportVideo(self.path.name, content, self._first, words)
