"""Pictures of an input's results, into a folder or a video."""

from pathlib import Path

import numpy as np

from mmhand_dne.fileio.atomic import check_folder
from mmhand_dne.fileio.images import write_image

from .inputs.sources import Images, InputFrame, VideoFrames
from .inputs.video import VideoWriter
from .inputs.video_parts import PartedVideoWriter, can_be_parted


class PictureSaver:
    """Writes the pictures of each result; those of a video's frames as a video.

    The video has the frames and their times of the input: a frame that could not be
    decoded shows the picture before it.

    Args:
        folder: where; created if needed.
        source: the input.
        parts: folder of a video's parts, with which a run that was stopped goes on;
            used where videos can be joined.

    Use it in a ``with`` statement; a video appears when that ends without an error.
    """

    def __init__(
        self,
        folder: str | Path,
        source: Images | VideoFrames,
        parts: Path | None = None,
    ) -> None:
        self.folder, self.source = check_folder(folder), source
        self.writer: VideoWriter | PartedVideoWriter | None = None
        self.last: np.ndarray | None = None
        self.missed: list[float] = []  # times of frames before the first picture
        if source.is_video:
            self.path = self.folder / f'{source.stem}_overlay.mp4'
            if parts is not None and can_be_parted(self.path):
                self.writer = PartedVideoWriter(self.path, source.fps, parts)
            else:
                self.writer = VideoWriter(self.path, source.fps)

    def __enter__(self) -> 'PictureSaver':
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self.writer.__exit__(*error)

    def has(self, frame: InputFrame) -> bool:
        """Whether an earlier run drew a video's frame."""
        return frame.index < getattr(self.writer, 'done', 0)

    def add(self, frame: InputFrame, pictures: dict[str, np.ndarray]) -> list[Path]:
        """Write the pictures (H, W, 3) RGB of a frame; returns the paths of files."""
        if self.writer is None:
            return [
                write_image(self.folder / f'{frame.name}_{kind}.jpg', picture)
                for kind, picture in pictures.items()
            ]
        self._add_to_video(frame, next(iter(pictures.values()), None))
        return []

    def _add_to_video(self, frame: InputFrame, picture: np.ndarray | None) -> None:
        from .result_drawing import fitted, video_size

        if picture is None:
            if self.last is None:  # nothing to show yet, nor a size
                self.missed.append(frame.time)
            else:
                self.writer.add(self.last, frame.time)
            return
        if isinstance(self.writer, PartedVideoWriter):
            self.writer.may_end_part()
        self.last = fitted(picture, video_size(frame.image))
        for time in self.missed:
            self.writer.add(np.zeros_like(self.last), time)
        self.missed = []
        self.writer.add(self.last, frame.time)
