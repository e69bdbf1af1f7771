"""The ways from a photo to hands that ``latency.py`` times, each stage by stage."""

import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from stopwatch import Stopwatch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.config_names import test_pipeline
from mmhand_dne.apis.inputs.palm_hands import LOOK_EVERY, PalmHands
from mmhand_dne.apis.inputs.sources import InputFrame
from mmhand_dne.apis.result_drawing import draw_frame, video_size
from mmhand_dne.deployment import (
    HandNetwork,
    describe,
    export_finder,
    export_onnx,
    finder_files,
)
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.images import read_image
from tools.deployment import run_onnx

STAGES = ('decode', 'detect', 'landmarks', 'crop', 'network', 'mesh')
TO_MESH, DRAW, TOTAL = 'file to mesh', 'draw', 'total'
DRAWN = ' with its overlay'  # a frame of a video
PYTORCH, ONNX, MEDIAPIPE = 'PyTorch', 'ONNX Runtime', 'mediapipe'


class PyTorchRun:
    """The inferencer.

    Args:
        cuda: wait for the device before reading the clock.
        options: of :meth:`HandMeshInferencer.run`.
    """

    name = PYTORCH

    def __init__(
        self, inferencer: HandMeshInferencer, cuda: bool, options: dict
    ) -> None:
        self.inferencer, self.options = inferencer, options
        self.watch = watch = Stopwatch(cuda)
        watch.wrap(inferencer.pipeline, 'crops', 'crop')
        watch.wrap(inferencer, 'forward', 'network')
        watch.wrap(inferencer.model.hand_model, 'forward', 'mesh')
        if isinstance(inferencer.detector, PalmHands):
            finder = inferencer.detector.finder
            watch.wrap(finder, 'find', 'detect')
            watch.wrap(finder.landmarker, 'read', 'landmarks')
        elif inferencer.detector is not None:
            watch.wrap(inferencer, 'detector', 'detect')
        self.read = watch.timed(read_image, 'decode')
        self.result_of = watch.timed(inferencer.result_of, 'mesh')
        self.draw = watch.timed(draw_frame, DRAW)

    def photo(self, path: Path) -> tuple[dict[str, float], int]:
        """Seconds by stage for one image, and how many hands it drew."""
        self.watch.take()
        start = time.perf_counter()
        frame = InputFrame(0, str(path), path.stem, self.read(path))
        job = next(self.inferencer.run([frame], 64, 1, **self.options))
        result = self.result_of(job, 0.0)
        to_mesh = time.perf_counter() - start
        if result.problem:
            raise UserError(f'{result.problem}; a latency without a hand says nothing')
        self.draw(frame, result, ('overlay',), max(video_size(frame.image)))
        seconds = self.watch.take()
        seconds.update({TO_MESH: to_mesh, TOTAL: time.perf_counter() - start})
        return seconds, len(result.hands)

    def video(self, images: list[np.ndarray], drawn: bool = False) -> Iterator[float]:
        """Seconds of each of successive frames (H, W, 3) BGR, overlay drawn or not."""
        frames = [InputFrame(i, 'video', str(i), x) for i, x in enumerate(images)]
        start = time.perf_counter()
        options = dict(self.options, in_time=True)
        for job in self.inferencer.run(frames, 1, len(frames), **options):
            result = self.result_of(job, 0.0)
            if drawn:
                size = max(video_size(job.frame.image))
                self.draw(job.frame, result, ('overlay',), size)
            yield time.perf_counter() - start
            start = time.perf_counter()


class OnnxRun:
    """``run_onnx.py``, with the files of an exported model.

    Args:
        threads: of the runtime; 0: all cores.
    """

    name = ONNX

    def __init__(self, model: Path, threads: int) -> None:
        self.runner = runner = run_onnx.HandRunner(model, threads)
        if runner.finder is None:
            raise UserError(f'{model}: its networks that find hands are not beside it')
        self.watch = watch = Stopwatch(cuda=False)
        watch.wrap(runner.finder, 'detect', 'detect')
        watch.wrap(runner.finder, 'read', 'landmarks')
        watch.wrap(runner, 'read', 'crop')  # what is left of it
        watch.wrap(runner, 'run', 'network')
        watch.wrap(runner, 'hand', 'mesh')
        self.read = watch.timed(run_onnx.read_image, 'decode')

    def photo(self, path: Path) -> tuple[dict[str, float], int]:
        """Seconds by stage for one image, and its number of hands."""
        self.watch.take()
        start = time.perf_counter()
        hands = self.runner(self.read(path))
        to_mesh = time.perf_counter() - start
        return {**self.watch.take(), TO_MESH: to_mesh}, len(hands)

    def video(self, images: list[np.ndarray]) -> Iterator[float]:
        """Seconds of each of successive frames (H, W, 3) BGR."""
        found = []
        for index, image in enumerate(images):
            start = time.perf_counter()
            picture = run_onnx.Picture(np.ascontiguousarray(image[..., ::-1]))
            look = True if index % LOOK_EVERY == 0 else None
            found = self.runner.finder.find(picture, found, look)
            self.runner.read(picture, [self.runner.place(hand) for hand in found])
            yield time.perf_counter() - start


class MediaPipeRun:
    """The package of that name, whose results are landmarks and no mesh."""

    name = MEDIAPIPE

    def __init__(self) -> None:
        from mediapipe.python.solutions.hands import Hands

        self.still = Hands(static_image_mode=True, min_detection_confidence=0.3)
        self.moving = Hands(static_image_mode=False, min_detection_confidence=0.3)

    def photo(self, path: Path) -> tuple[dict[str, float], int]:
        """Seconds from the file to landmarks, and the number of hands."""
        start = time.perf_counter()
        image = read_image(path)
        decoded = time.perf_counter()
        found = self.still.process(np.ascontiguousarray(image[..., ::-1]))
        seconds = time.perf_counter() - start
        times = {'decode': decoded - start, TO_MESH: seconds}
        return times, len(found.multi_hand_landmarks or ())

    def video(self, images: list[np.ndarray]) -> Iterator[float]:
        """Seconds of each of successive frames (H, W, 3) BGR."""
        for image in images:
            start = time.perf_counter()
            self.moving.process(np.ascontiguousarray(image[..., ::-1]))
            yield time.perf_counter() - start


def has_mediapipe() -> bool:
    """Whether the package is installed with the interface that is timed."""
    try:
        return find_spec('mediapipe.python.solutions.hands') is not None
    except ModuleNotFoundError:
        return False


def exported(inferencer: HandMeshInferencer, folder: Path) -> Path:
    """The inferencer's model and its finder as files in a folder."""
    path = folder / 'hands.onnx'
    export_finder(inferencer.turner.finder, finder_files(path))
    about = describe(test_pipeline(inferencer.cfg), inferencer.model, 'latency')
    export_onnx(HandNetwork(inferencer.model).eval(), path, None, about)
    return path


def moving(image: np.ndarray, count: int, step: int = 2) -> list[np.ndarray]:
    """Frames of a video: the image (H, W, 3), going to and fro by some pixels."""
    shifts = [step * min(i % 16, 16 - i % 16) for i in range(count)]
    return [np.roll(image, shift, 1) for shift in shifts]
