"""Videos through PyAV, where it is installed: time stamps, H.264, and codecs that this
OpenCV lacks (``pip install -e '.[video]'``).
"""

from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import named_errors

TICKS = 90000  # of a second, MPEG's clock: time stamps of all common rates fit
CODEC, QUALITY = 'libx264', {'crf': '18', 'preset': 'veryfast'}
MOST_DENOMINATOR = 1001  # of rates such as 30000 / 1001
INSTALL = "pip install -e '.[video]'"


def has_pyav() -> bool:
    """Whether PyAV is installed."""
    return find_spec('av') is not None


def decoded_frames(path: str) -> Iterator[tuple[np.ndarray, float]]:
    """Images (H, W, 3) uint8 BGR as they are stored, and seconds from the first.

    Raises:
        ValueError: PyAV cannot read the file either.
    """
    import av

    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            start = None
            for frame in container.decode(stream):
                time = float(frame.time or 0.0)
                start = time if start is None else start
                yield frame.to_ndarray(format='bgr24'), time - start
    except (av.FFmpegError, IndexError) as error:
        raise UserError(
            f'{path}: is not a video that PyAV can decode ({error})'
        ) from error


class TimedWriter:
    """Writes pictures as H.264, each shown from its time to the next one's.

    Args:
        path: of the MP4 file.
        fps: frames per second, which the last picture is shown for.
        size: (W, H), even.
        shown: the name that errors give the file.
    """

    def __init__(
        self, path: Path, fps: float, size: tuple[int, int], shown: Path
    ) -> None:
        import av

        self.fps, self.shown, self.waiting = fps, shown, None
        with named_errors(shown):
            self.container = av.open(str(path), 'w')
        rate = Fraction(fps).limit_denominator(MOST_DENOMINATOR)
        self.stream = self.container.add_stream(CODEC, rate=rate, options=QUALITY)
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = 'yuv420p'  # what browsers and phones play
        self.stream.codec_context.max_b_frames = 0
        self.stream.codec_context.time_base = Fraction(1, TICKS)

    def write(self, image: np.ndarray, time: float) -> None:
        """Add (H, W, 3) uint8 RGB, to be seen from ``time``, seconds, on."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), 'rgb24')
        frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
        self._flush(frame.pts)
        self.waiting = frame

    def close(self) -> None:
        """Write what is left and the file's index."""
        if self.waiting is not None:
            self._flush(self.waiting.pts + round(TICKS / self.fps))
        with named_errors(self.shown):
            if self.stream.codec_context.is_open:
                self.container.mux(self.stream.encode())
            self.container.close()

    def abandon(self) -> None:
        """Close a file that nobody wants, whatever happens."""
        import av

        try:
            self.container.close()
        except (OSError, av.FFmpegError):
            pass

    def _flush(self, until: int) -> None:
        """Encode the picture that waits for the time at which it ends, in TICKS."""
        if self.waiting is None:
            return
        self.waiting.duration = max(until - self.waiting.pts, 1)
        with named_errors(self.shown):
            self.container.mux(self.stream.encode(self.waiting))
        self.waiting = None
