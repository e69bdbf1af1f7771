"""A whole input to files, pictures and a report, in steps that can be resumed."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.fileio.portable import give_back_memory
from mmhand_dne.fileio.progress import Progress
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.results.result_views import widened

from .hand_mesh_inferencer import HandMeshInferencer
from .image_saver import PictureSaver
from .inputs.sources import Images, InputFrame, VideoFrames
from .result_drawing import can_show
from .result_store import ResultStore
from .result_writers import read_json, result_files, write
from .result_writers.report_clip import ReportClip
from .run_record import FRAMES, REPORT, RunRecord, stamp
from .video_outputs import VideoOutputs, in_time

UNCERTAINTY = 'uncertainty'  # the picture whose colours the whole run shares
NOTHING = (0, 0)  # size of an image that could not be decoded
MOST_ENTRIES = 24  # images of a report
MOST_NOTES = 20  # about a video
MOST_SPANS = 8  # of frames that a note of a video lists
DOWNLOADS = ('json', 'obj', 'glb')  # that a report contains


class DemoRun:
    """One run of ``tools/demo.py``.

    Images are done one by one and skipped by the next run. A video's frames are kept
    one by one too, as they were predicted, in a file that is read back frame by frame;
    when all are there they are tracked, smoothed if asked for, and written. So a video
    of any length needs the memory of some frames.

    Args:
        inferencer, source, record: what runs, on what, into where.
        formats, kinds: of files and of pictures.
        where: arguments of :meth:`HandMeshInferencer.preprocess`.
        smoothing: method of :func:`smooth`, or None.
        show: open a window, as always for a camera, if there is a display.
        report: write ``report.html``.
        frame_files: of a video, JSON of each frame in place of rows in one file.
    """

    def __init__(
        self,
        inferencer: HandMeshInferencer,
        source: Images | VideoFrames,
        record: RunRecord,
        formats: tuple[str, ...],
        kinds: tuple[str, ...],
        where: dict[str, object],
        batch_size: int = 1,
        presence_thr: float = 0.5,
        smoothing: str | None = None,
        show: bool = False,
        report: bool = False,
        frame_files: bool = False,
    ) -> None:
        self.inferencer, self.source, self.record = inferencer, source, record
        self.formats, self.kinds, self.where = formats, kinds, where
        self.batch_size, self.presence_thr = batch_size, presence_thr
        self.smoothing, self.report = smoothing, report
        self.frame_files = frame_files
        self.show = can_show(show or source.is_live)
        self.folder = record.folder
        self.entries: list[tuple[ImageResult, np.ndarray]] = []  # encoded
        self.report_step = max(1, -(-len(source) // MOST_ENTRIES))
        # Where the colours of deviations end, millimetres: one range for the run.
        spans = [entry.get('span') for entry in record.done.values()]
        self.span = max((span for span in spans if span), default=None)
        self.clip: ReportClip | None = None  # of a video's report
        self.counts = dict(skipped=0, done=0, hands=0, without=0, unread=0)
        # Which images have each; of what could not be read the text names it itself.
        self.problems: dict[str, list[int]] = {}

    def run(self) -> None:
        """Do what is not done yet."""
        if self.source.is_live:
            self._run_live()
        elif self.source.is_video:
            self._run_video()
        else:
            self._run_images()
        if self.report:
            self._write_report()

    @property
    def unread(self) -> str:
        """How much could not be decoded, in words; empty where all was.

        Frames missing in a video are named and leave it whole.
        """
        count = self.counts
        if count['unread'] and count['unread'] == count['done'] + count['skipped']:
            return 'nothing could be read'
        if self.source.is_video or not count['unread']:
            return ''
        return f'{count["unread"]} of {len(self.source)} could not be read'

    def summary(self) -> str:
        """What was found, and what went wrong, in some lines."""
        count = self.counts
        unit = 'frame' if self.source.is_video else 'image'
        skipped = f', {count["skipped"]} done before' if count['skipped'] else ''
        notes = list(self.problems)
        if self.source.is_video:
            notes = [_in_frames(*problem) for problem in self.problems.items()]
            if len(notes) > MOST_NOTES:
                notes[MOST_NOTES:] = [f'{len(notes) - MOST_NOTES} more of the kind']
        if self.report and self.report_step > 1:
            notes.append(
                f'the report shows one {unit} in {self.report_step}: '
                f'{MOST_ENTRIES} at the most'
            )
        if self.inferencer.caution:
            notes.append(self.inferencer.caution)
        done, hands = _some(count['done'], unit), _some(count['hands'], 'hand')
        line = (
            f'{done}{skipped}: {hands}, {_some(count["without"], unit)} without; '
            f'see {self.folder}'
        )
        return '\n'.join([*(f'note: {text}' for text in notes), line])

    def _run_images(self) -> None:
        source = self.source
        todo = [
            i
            for i, path in enumerate(source.sources)
            if not self._kept(source.names[i], path)
        ]
        self.counts['skipped'] = len(source) - len(todo)
        frames = (source.frame(i) for i in todo)
        with PictureSaver(self.folder, source) as saver:
            for frame, result in self._predicted(frames, len(todo)):
                self._widen([result])
                files = write(result, self.folder, self.formats, frame.name)
                files += saver.add(frame, self._draw(frame, result))
                self._count(result)
                if result.size == NOTHING:  # the next run tries it again
                    self.record.forget(frame.name, files)
                else:
                    self.record.add(
                        frame.name,
                        frame.source,
                        files,
                        len(result.hands),
                        result.problem,
                        self.span,
                    )
                self._remember(frame, result)
            if self.report:
                self._recall(set(range(len(source))) - set(todo))
            self._draw_evenly(saver)

    def _widen(self, results: Iterable[ImageResult]) -> None:
        """Let the colours of the run reach to the deviations of results."""
        self.span = widened(self.span, results)

    def _draw_evenly(self, saver: PictureSaver) -> None:
        """Draw once more what was drawn before the run's range of colours was known."""
        if UNCERTAINTY not in self.kinds:
            return
        from .result_drawing import draw_frame

        done = self.record.done
        behind = [
            i
            for i, name in enumerate(self.source.names)
            if name in done
            and done[name]['hands']
            and done[name].get('span') not in (None, self.span)
        ]
        for frame, result in self._results_again(behind):
            saver.add(frame, draw_frame(frame, result, (UNCERTAINTY,), span=self.span))
            entry = done[frame.name]
            files = [self.folder / file for file in entry['files']]
            self.record.add(
                frame.name,
                frame.source,
                files,
                entry['hands'],
                entry['problem'],
                self.span,
            )

    def _results_again(
        self, indices: list[int]
    ) -> Iterator[tuple[InputFrame, ImageResult]]:
        """Images that are done with their results, out of files where there are."""
        frames = (self.source.frame(i) for i in indices)
        if indices and 'json' not in self.formats:
            yield from self._predicted(frames, len(indices))
            return
        for frame in frames:
            yield frame, read_json(self.folder / f'{frame.name}.json')

    def _kept(self, name: str, path: str) -> bool:
        return self.record.has(name, path) and not (
            self.report and 'json' not in self.formats
        )

    def _recall(self, indices: set[int]) -> None:
        """Read what an earlier run found, for the report."""
        for i in sorted(indices):
            result = read_json(self.folder / f'{self.source.names[i]}.json')
            self._widen([result])
            self._remember(self.source.frame(i), result)
        self.entries.sort(key=lambda entry: entry[0].index)

    def _predicted(
        self, frames: Iterator[InputFrame], total: int
    ) -> Iterator[tuple[InputFrame, ImageResult]]:
        jobs = self.inferencer.run(
            frames,
            self.batch_size,
            len(self.source),
            in_time=self.source.is_video,
            **self.where,
        )
        with Progress(total or None, 'finding hands') as bar:
            for job in jobs:
                yield job.frame, self.inferencer.result_of(job, self.presence_thr)
                bar.update()

    def _draw(self, frame: InputFrame, result: ImageResult) -> dict[str, np.ndarray]:
        kinds = self.kinds or (('overlay',) if self.show else ())
        if not kinds:
            return {}
        from .result_drawing import draw_frame, show_picture

        drawn = draw_frame(frame, result, kinds, span=self.span)
        if self.show and drawn:
            show_picture(next(iter(drawn.values())), frame.source)
        return drawn if self.kinds else {}

    def _count(self, result: ImageResult) -> None:
        self.counts['done'] += 1
        self.counts['hands'] += len(result.hands)
        self.counts['without'] += not result.hands
        self.counts['unread'] += result.size == NOTHING
        if result.problem:
            images = self.problems.setdefault(result.problem, [])
            if result.size != NOTHING:
                images.append(result.index)

    def _run_video(self) -> None:
        name, path = self.source.stem, self.source.source
        if self._kept(name, path) and not self.report:
            self.counts['skipped'] = len(self.source)
            return
        with self._store() as store:
            self._predict_video(store)
            outputs = self._write_video(store)
        self.record.add(name, path, outputs.files, self.counts['hands'])
        shutil.rmtree(self.folder / FRAMES, ignore_errors=True)

    def _outputs(self) -> VideoOutputs:
        return VideoOutputs(
            self.folder,
            self.source,
            self.formats,
            self.kinds,
            self.frame_files,
            self.show,
            self.span,
            self.clip,
            self.folder / FRAMES / 'drawn',
        )

    def _write_video(self, store: ResultStore) -> VideoOutputs:
        """Files and windows of all frames."""
        if self.report or UNCERTAINTY in self.kinds[:1]:
            self._widen(store)
        if self.report:
            self.clip = ReportClip(Path(self.source.title).name, self.source.fps)
        results = in_time(
            store,
            self.smoothing,
            self.source.fps,
            self.inferencer.model.hand_model,
        )
        with (
            self._outputs() as outputs,
            Progress(len(store), 'writing frames') as bar,
        ):
            for frame, result in zip(self.source, results):
                outputs.add(frame, result)
                self._count(result)
                self._remember(frame, result)
                bar.update()
        return outputs

    def _store(self) -> ResultStore:
        """Of the frames' results; those of another video are thrown away."""
        source, folder = self.source, self.folder / FRAMES
        mark, now = folder / 'of.txt', stamp(source.source)
        if not mark.exists() or mark.read_text() != now:
            shutil.rmtree(folder, ignore_errors=True)
            write_whole(mark, now)
        return ResultStore(folder / 'results', self.inferencer.reader.faces)

    def _predict_video(self, store: ResultStore) -> None:
        """Every frame's result; what an earlier run stored is not predicted again."""
        self.counts['skipped'] = len(store)
        first = store.last + 1
        frames = (frame for frame in self.source if frame.index >= first)
        for _, result in self._predicted(frames, max(len(self.source) - first, 0)):
            store.append(result)
        self.counts['skipped'] = 0
        give_back_memory()  # of the network: drawing and the encoder need as much

    def _run_live(self) -> None:
        """Until the camera ends, or q or Escape is pressed in the window, if any."""
        jobs = self.inferencer.run(self.source, 1, 0, in_time=True, **self.where)
        with self._outputs() as outputs:
            for job in jobs:
                result = self.inferencer.result_of(job, self.presence_thr)
                self._count(result)
                if not outputs.add(job.frame, result):
                    return

    def _remember(self, frame: InputFrame, result: ImageResult) -> None:
        """Keep some images, evenly over the input, for the report.

        As JPEG: two dozen large photographs would not fit into memory otherwise.
        """
        if (
            self.report
            and frame.image is not None
            and frame.index % self.report_step == 0
        ):
            quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
            self.entries.append((result, cv2.imencode('.jpg', frame.image, quality)[1]))

    def _write_report(self) -> None:
        from mmhand_dne.visualization.report.report_page import write_report

        def downloads(result: ImageResult) -> dict[str, bytes]:
            return result_files(result, DOWNLOADS, self.source.name_of(result.index))

        entries = (
            (result, cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1])
            for result, jpeg in self.entries
        )
        write_report(
            self.folder / REPORT,
            entries,
            downloads,
            f'Hands of {Path(self.source.title).name}',
            self.inferencer.caution,
            self.span,
            self.clip and self.clip.take(),
        )


def _in_frames(problem: str, frames: list[int]) -> str:
    """A problem with the frames that have it: 'no hand (3 frames: 0, 4-5)'."""
    if not frames:
        return problem
    ends = [i for i in range(1, len(frames)) if frames[i] != frames[i - 1] + 1]
    spans = [
        f'{frames[i]}-{frames[j - 1]}' if j - i > 1 else f'{frames[i]}'
        for i, j in zip([0, *ends], [*ends, len(frames)])
    ]
    if len(spans) > MOST_SPANS:
        spans[MOST_SPANS - 1 :] = [f'... {spans[-1]}']
    return f'{problem} ({_some(len(frames), "frame")}: {", ".join(spans)})'


def _some(count: int, unit: str) -> str:
    return f'{count} {unit}' if count == 1 else f'{count} {unit}s'
