"""What is written and shown of a video, frame by frame, in little memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmhand_dne.fileio.progress import Progress
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.results.result_views import widened

from .image_saver import PictureSaver
from .inputs.sources import InputFrame, VideoFrames
from .result_drawing import draw_frame, fitted, show_picture, video_size
from .result_writers import write
from .result_writers.report_clip import CLIP_SIZE, ReportClip
from .result_writers.row_writer import rows_of
from .temporal.smoothing import smooth_frames
from .temporal.tracking import track


class TrackedResults:
    """A video's results with their tracks' numbers, read as they are asked for."""

    def __init__(self, results: Sequence[ImageResult]) -> None:
        self.results = results
        self.numbers: list[tuple[int, ...]] = []
        with Progress(len(results), 'following hands') as bar:
            for result in track(results):
                self.numbers.append(result.track_ids)
                bar.update()

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[ImageResult]:
        with Progress(len(self), 'measuring tracks') as bar:
            for index in range(len(self)):
                yield self[index]
                bar.update()

    def __getitem__(self, index: int) -> ImageResult:
        return replace(self.results[index], track_ids=self.numbers[index])


def in_time(
    results: Sequence[ImageResult],
    smoothing: str | None,
    fps: float,
    hand_model: HandPair | SingleHand,
) -> Iterator[ImageResult]:
    """The results with tracks, one by one, smoothed if asked for.

    Args:
        results: of successive frames; they need not be in memory.
        smoothing, fps, hand_model: of :func:`smooth_frames`.
    """
    if not smoothing:
        return track(results)
    tracked = TrackedResults(results)
    return smooth_frames(tracked, smoothing, fps, hand_model=hand_model)


class VideoOutputs:
    """The files and windows of a video or a camera.

    JSON is rows of one file, see :mod:`.result_writers.row_writer`; other formats are a
    file a frame.

    Args:
        folder, source: where, of what.
        formats, kinds: of files, and of pictures, of which the first is drawn; a
            camera's are only shown.
        frame_files: JSON of each frame too, with its meshes, in place of the rows.
        show: in a window.
        span: where the colours of deviations end, millimetres; None: at the largest of
            the frames so far, since nobody knows what a camera will see.
        clip: of a report, which the first kind of picture goes to as well.
        parts: folder where a drawn video grows; frames that it has are not drawn again.

    Use it in a ``with`` statement; rows and drawn video appear when that ends without
    an error.
    """

    def __init__(
        self,
        folder: Path,
        source: VideoFrames,
        formats: Sequence[str],
        kinds: Sequence[str],
        frame_files: bool = False,
        show: bool = False,
        span: float | None = None,
        clip: ReportClip | None = None,
        parts: Path | None = None,
    ) -> None:
        self.folder, self.source, self.show = folder, source, show
        self.clip, self.span, self.growing = clip, span, span is None
        self.kinds = tuple(kinds[:1]) or ('overlay',)
        self.files: list[Path] = []
        self.rows = None if frame_files else rows_of(source, folder, formats)
        self.formats = self.rows.others if self.rows else tuple(formats)
        drawn = bool(kinds) and not source.is_live
        self.saver = PictureSaver(folder, source, parts) if drawn else None
        self._stack = ExitStack()

    def __enter__(self) -> 'VideoOutputs':
        for part in (self.rows, self.saver, self.clip):
            if part is not None:
                self._stack.enter_context(part)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)
        for part in (self.rows, self.saver):
            if part is not None and part.path.exists():
                self.files.append(part.path)

    def add(self, frame: InputFrame, result: ImageResult) -> bool:
        """Write and show a frame; False when its window was closed."""
        if self.rows is not None:
            self.rows.add(result, frame.time)
        if self.formats:
            self.files += write(result, self.folder, self.formats, frame.name)
        clipped = self.clip is not None and self.clip.wants(frame.time)
        saved = self.saver is not None and not self.saver.has(frame)
        if not (saved or self.show or clipped):
            return True
        drawn = self._draw(frame, result)
        if saved:
            self.saver.add(frame, drawn)
        if clipped and drawn:
            picture = next(iter(drawn.values()))
            self.clip.add(fitted(picture, self._size(frame.image)), frame.time)
        if not (self.show and drawn):
            return True
        wait = 1e-3 if self.source.is_live else 1 / self.source.fps
        return show_picture(next(iter(drawn.values())), frame.source, wait)

    def _draw(self, frame: InputFrame, result: ImageResult) -> dict[str, np.ndarray]:
        if self.growing:
            self.span = widened(self.span, [result])
        size = None if frame.image is None else max(self._size(frame.image))
        return draw_frame(frame, result, self.kinds, size, self.span)

    def _size(self, image: np.ndarray) -> tuple[int, int]:
        """(W, H) of a frame's picture: small where only a clip is made of it."""
        size = video_size(image)
        small = self.saver is None and not self.show
        scale = min(1.0, CLIP_SIZE / max(size)) if small else 1.0
        return round(scale * size[0]), round(scale * size[1])
