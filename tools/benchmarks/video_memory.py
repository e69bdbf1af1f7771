"""A long video through the demo: resident memory, frames per second, the stages' share.

Makes a video of one photo that moves, runs tools/demo.py's steps on it with smoothing,
rows and drawing, and prints, frame by frame in both passes, the resident memory beside
that at frame 200, and how the time is shared::

    python tools/benchmarks/video_memory.py photo.jpg --frames 2000
    python tools/benchmarks/video_memory.py photo.jpg CONFIG CHECKPOINT --size 320 240
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as tools/demo.py


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo', help='the image that moves in the video')
    parser.add_argument('config', nargs='?', help='default: the shipped model')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--frames', type=int, default=2000, help='default: 2000')
    parser.add_argument(
        '--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H')
    )
    parser.add_argument('--smooth', choices=['kalman', 'one_euro'], default='kalman')
    parser.add_argument('--no-drawing', action='store_true', help='no drawn video')
    parser.add_argument('--side', choices=['right', 'left'], help='as of the demo')
    parser.add_argument('--presence-thr', type=float, default=0.5)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import cv2
import numpy as np

from mmhand_dne.apis import HandMeshInferencer, demo_run, video_outputs
from mmhand_dne.apis.demo_run import DemoRun
from mmhand_dne.apis.inputs import sources
from mmhand_dne.apis.inputs.video import VideoWriter
from mmhand_dne.apis.result_store import ResultStore
from mmhand_dne.apis.result_writers.row_writer import RowWriter
from mmhand_dne.apis.run_record import RunRecord

SETTLED = 200  # the frame that the memory is compared with
LINES = 10  # of each pass
FPS = 30.0
STATUS = Path('/proc/self/status')
MB = 1e6


def write_video(path: Path, photo: str, frames: int, size: tuple[int, int]) -> None:
    """The photo, swaying by some pixels and degrees."""
    image = cv2.resize(cv2.imread(photo), size)
    centre = size[0] / 2, size[1] / 2
    with VideoWriter(path, FPS) as writer:
        for t in range(frames):
            affine = cv2.getRotationMatrix2D(centre, 4 * np.sin(t / 17), 1.0)
            affine[:, 2] += 9 * np.sin(t / 11), 6 * np.cos(t / 13)
            moved = cv2.warpAffine(image, affine, size, borderMode=cv2.BORDER_REFLECT)
            writer.add(moved[..., ::-1])


def resident() -> float:
    """Memory of this process in RAM, MB."""
    for line in STATUS.read_text().splitlines():
        if line.startswith('VmRSS:'):
            return 1024 * int(line.split()[1]) / MB
    raise OSError(f'{STATUS}: does not tell the resident memory')


class Watch:
    """Seconds by stage, and memory and rate by frame of the two passes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inside = [0.0]
        self.frames: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def timed(self, name: str, function: Callable) -> Callable:
        """The same function, its own time counted."""

        @functools.wraps(function)
        def call(*args, **kwargs):
            start = time.perf_counter()
            self.inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name] += spent - self.inside.pop()
                self.inside[-1] += spent

        return call

    def iterated(self, name: str, items: Iterator) -> Iterator:
        """The same items, the time to get each counted."""
        following = self.timed(name, functools.partial(next, items))
        while True:
            try:
                yield following()
            except StopIteration:
                return

    def iterating(self, name: str, function: Callable) -> Callable:
        """The same generator function, its items' time counted."""

        @functools.wraps(function)
        def call(*args, **kwargs):
            return self.iterated(name, iter(function(*args, **kwargs)))

        return call

    def counted(self, name: str, function: Callable) -> Callable:
        """The same function, called once a frame of the pass ``name``."""

        @functools.wraps(function)
        def call(*args, **kwargs):
            self.frames[name].append((time.perf_counter(), resident()))
            return function(*args, **kwargs)

        return call


def watch_stages(watch: Watch, inferencer: HandMeshInferencer) -> None:
    """Put the watch around every stage."""
    frames = sources.VideoFrames
    frames.__iter__ = watch.iterating('decode', frames.__iter__)
    inferencer.preprocess = watch.iterating('find hands, cut', inferencer.preprocess)
    for name, stage in (('forward', 'network'), ('result_of', 'read predictions')):
        setattr(inferencer, name, watch.timed(stage, getattr(inferencer, name)))
    append = watch.timed('store', ResultStore.append)
    ResultStore.append = watch.counted('predicting', append)
    ResultStore.__getitem__ = watch.timed('store', ResultStore.__getitem__)
    demo_run.in_time = watch.iterating('track, smooth', demo_run.in_time)
    RowWriter.add = watch.counted('writing', watch.timed('rows', RowWriter.add))
    video_outputs.draw_frame = watch.timed('draw', video_outputs.draw_frame)
    saver = video_outputs.PictureSaver
    saver.add = watch.timed('encode', saver.add)


def table(watch: Watch) -> str:
    """Memory and rate along both passes, then the stages' share."""
    settled = watch.frames['predicting'][:SETTLED][-1][1]
    lines = [f'{"pass":12}{"frame":>8}{"frames/s":>10}{"memory [MB]":>13}{"more":>8}']
    for name, seen in watch.frames.items():
        step = max(1, len(seen) // LINES)
        for stop in range(step, len(seen) + 1, step):
            part = seen[stop - step : stop]
            rate = (len(part) - 1) / max(part[-1][0] - part[0][0], 1e-9)
            most = max(memory for _, memory in part)
            lines.append(
                f'{name:12}{stop:8}{rate:10.1f}{most:13.1f}{most - settled:+8.1f}'
            )
    total = sum(watch.seconds.values())
    count = len(watch.frames['predicting'])
    lines.append(f'\n{"stage":20}{"ms a frame":>12}{"share":>8}')
    for name, spent in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        lines.append(f'{name:20}{1000 * spent / count:12.2f}{spent / total:8.1%}')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / 'clip.mp4'
        write_video(clip, args.photo, args.frames, tuple(args.size))
        inferencer = HandMeshInferencer(args.config, args.checkpoint)
        watch_stages(watch, inferencer)
        with RunRecord(Path(folder) / 'out', {}) as record:
            DemoRun(
                inferencer,
                sources.open_input(clip),
                record,
                ('json',),
                () if args.no_drawing else ('overlay',),
                dict(side=args.side),
                batch_size=8,
                presence_thr=args.presence_thr,
                smoothing=args.smooth,
            ).run()
    print(table(watch))


if __name__ == '__main__':
    sys.exit(main())
