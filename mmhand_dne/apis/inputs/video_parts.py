"""A drawn video in parts, so that a run that was stopped goes on where it was.

A part is a whole video of some seconds; parts are joined without encoding them again,
which needs PyAV.
"""

import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np

from mmhand_dne.fileio.atomic import named_errors, whole_file

from .timed_video import TICKS, has_pyav
from .video import TIMED, VideoWriter

PART_FRAMES = 120  # after which a part may end
NAME = re.compile(
    r'(\d+)-(\d+)-(\d+)\.mp4'
)  # first frame, the one after the last, TICKS


def can_be_parted(path: str | Path) -> bool:
    """Whether a video of that name can be made of parts here."""
    return Path(path).suffix.lower() == TIMED and has_pyav()


class PartedVideoWriter:
    """Writes a video like :class:`.VideoWriter`, and goes on after a run was stopped.

    Args:
        path: of the video; ends in .mp4.
        fps: frames per second.
        folder: of the parts. It is for this class, and removed when the video is there.

    Attributes:
        done: frames that the parts hold when it is made; ``add`` begins with the next.

    Use it in a ``with`` statement; an exception inside leaves the whole parts, and no
    video.

    Raises:
        OSError: the disk is full, or such; names the file.
    """

    def __init__(self, path: str | Path, fps: float, folder: str | Path) -> None:
        self.path, self.fps, self.folder = Path(path), fps, Path(folder)
        found = {}
        for file in self.folder.glob('*.mp4'):
            if match := NAME.fullmatch(file.name):
                first, stop, start = map(int, match.groups())
                found[first] = (stop, start, file)
        self.parts: list[tuple[int, Path]] = []  # where they start, TICKS, and files
        self.done = 0
        while self.done in found:
            self.done, start, file = found[self.done]
            self.parts.append((start, file))
        self.first = self.count = self.done
        self.start = 0
        self.writer: VideoWriter | None = None

    def __enter__(self) -> 'PartedVideoWriter':
        return self

    def may_end_part(self) -> None:
        """End the part if it is long enough: the next picture is of its own frame."""
        if self.count - self.first >= PART_FRAMES:
            self._end_part()

    def add(self, image: np.ndarray, seconds: float) -> None:
        """Append one picture (H, W, 3) uint8 RGB, shown from ``seconds`` on."""
        if self.writer is None:
            self.start = round(seconds * TICKS)
            name = f'{self.first}-part.mp4'
            self.writer = VideoWriter(self.folder / name, self.fps)
        self.writer.add(image, seconds - self.start / TICKS)
        self.count += 1

    def _end_part(self) -> None:
        if self.writer is None:
            return
        writer, self.writer = self.writer, None
        writer.__exit__(None, None, None)
        name = f'{self.first}-{self.count}-{self.start}.mp4'
        part = writer.path.rename(self.folder / name)
        self.parts.append((self.start, part))
        self.first = self.count

    def __exit__(self, *error: object) -> None:
        if error and error[0]:
            if self.writer is not None:
                self.writer.__exit__(*error)
            return
        self._end_part()
        if self.parts:
            _join(self.parts, self.path)
        shutil.rmtree(self.folder, ignore_errors=True)


def _join(parts: list[tuple[int, Path]], path: Path) -> None:
    """One video of parts, each from its start, TICKS, on."""
    import av

    with whole_file(path, keep_suffix=True) as partial, named_errors(path):
        with av.open(str(partial), 'w') as whole:
            stream = None
            for start, part in parts:
                with av.open(str(part)) as source:
                    given = source.streams.video[0]
                    if stream is None:
                        stream = whole.add_stream_from_template(given)
                    shift = round(Fraction(start, TICKS) / given.time_base)
                    for packet in source.demux(given):
                        if packet.dts is None:  # the end
                            continue
                        packet.pts += shift
                        packet.dts += shift
                        packet.stream = stream
                        whole.mux(packet)
