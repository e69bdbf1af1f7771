"""What one image costs, stage by stage: decode, detect, crop, network, mesh, draw.

One image after the other, as a live user has them; p50 and p95 over the repeats.

- decode: from the file to pixels.
- detect: boxes of hands, where --det-model is given; else the whole image is the box.
- crop: all crops of the image, with the config's test pipeline.
- network: the forward on the device, preprocessing and copies included, but not
- mesh: the MANO layer inside it, and making the typed result.
- draw: the overlay at the image's size, at most 1280 pixels, as of a video.

Hands are kept whatever their presence, so that there is something to draw.

Example:
    python tools/benchmarks/latency.py photo.jpg configs/dne_rendered.py \
        work_dirs/quickstart/epoch_17.pth --device cpu --threads 2 --out latency.json
"""

import argparse
import json
import platform
import time
from pathlib import Path

import mmhand_dne  # noqa: F401  registers the plug-in; MMPose is importable after it

# isort: split
import cv2
import numpy as np
import torch
from stopwatch import Stopwatch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.sources import InputFrame
from mmhand_dne.apis.result_drawing import draw_frame, video_size
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.images import read_image

STAGES = ('decode', 'detect', 'crop', 'network', 'mesh', 'draw')
TOTAL = 'total'
MILLISECONDS = 1000.0  # in a second


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('image', type=Path)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu'
    )
    parser.add_argument('--threads', type=int, help='of the CPU; default: all cores')
    parser.add_argument('--repeats', type=int, default=50)
    parser.add_argument('--warm-up', type=int, default=5, help='repeats not counted')
    parser.add_argument('--det-model', help='detector, as of the inferencer')
    parser.add_argument('--det-weights')
    parser.add_argument('--bboxes', help='json file with the boxes, as of the demo')
    parser.add_argument(
        '--side',
        choices=['right', 'left', 'both'],
        help='hands in boxes that name none; a model of one hand needs it',
    )
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    args = parser.parse_args(args)
    if args.repeats < 1 or args.warm_up < 0:
        parser.error('--repeats is at least 1, --warm-up at least 0')
    return args


class Timed:
    """An inferencer whose stages are timed.

    Args:
        cuda: wait for the device before reading the clock.
    """

    def __init__(self, inferencer: HandMeshInferencer, cuda: bool) -> None:
        self.inferencer, self.watch = inferencer, Stopwatch(cuda)
        watch = self.watch
        watch.wrap(inferencer.pipeline, 'crops', 'crop')
        watch.wrap(inferencer, 'forward', 'network')
        watch.wrap(inferencer.model.hand_model, 'forward', 'mesh')
        if inferencer.detector is not None:
            watch.wrap(inferencer, 'detector', 'detect')
        self.read = watch.timed(read_image, 'decode')
        self.result_of = watch.timed(inferencer.result_of, 'mesh')
        self.draw, self.video_size = watch.timed(draw_frame, 'draw'), video_size

    def run(self, path: Path, **options: object) -> tuple[dict[str, float], int]:
        """Seconds by stage for one image, and how many hands it drew."""
        self.watch.take()
        start = time.perf_counter()
        frame = InputFrame(0, str(path), path.stem, self.read(path))
        job = next(self.inferencer.run([frame], 64, 1, **options))
        result = self.result_of(job, 0.0)
        if result.problem:
            raise UserError(f'{result.problem}; a latency without a hand says nothing')
        self.draw(frame, result, ('overlay',), max(self.video_size(frame.image)))
        seconds = self.watch.take()
        seconds[TOTAL] = time.perf_counter() - start
        return seconds, len(result.hands)


def measure(args: argparse.Namespace) -> dict:
    """The report: where it was measured, and seconds of all repeats by stage."""
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    inferencer = HandMeshInferencer(
        args.config,
        args.checkpoint,
        args.device,
        det_model=args.det_model,
        det_weights=args.det_weights,
    )
    cuda = args.device.startswith('cuda')
    timed = Timed(inferencer, cuda)
    options = dict(bboxes=args.bboxes, side=args.side)
    runs = []
    for repeat in range(args.warm_up + args.repeats):
        seconds, hands = timed.run(args.image, **options)
        if repeat >= args.warm_up:
            runs.append(seconds)
    height, width = timed.read(args.image).shape[:2]
    return dict(
        image=str(args.image),
        size=[width, height],
        hands=hands,
        config=args.config,
        checkpoint=args.checkpoint,
        repeats=args.repeats,
        device=args.device,
        device_name=torch.cuda.get_device_name(args.device) if cuda else cpu_name(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        stages={
            name: summary([run[name] for run in runs])
            for name in (*STAGES, TOTAL)
            if name in runs[0]
        },
    )


def summary(seconds: list[float]) -> dict:
    """Percentiles in milliseconds, and every repeat."""
    times = MILLISECONDS * np.asarray(seconds)
    middle, slow = np.percentile(times, [50, 95])
    return dict(p50=float(middle), p95=float(slow), milliseconds=times.tolist())


def cpu_name() -> str:
    """The processor, as the system calls it."""
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def table(report: dict) -> str:
    """Markdown."""
    lines = ['| stage | p50 [ms] | p95 [ms] |', '|---|---:|---:|']
    for name, stage in report['stages'].items():
        lines.append(f'| {name} | {stage["p50"]:.2f} | {stage["p95"]:.2f} |')
    return '\n'.join(lines)


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    with plain_errors(building=True):
        report = measure(args)
    width, height = report['size']
    print(
        f'\n{report["device_name"]} ({report["device"]}, {report["threads"]} CPU '
        f'threads), torch {report["torch"]}; {width}x{height} pixels, '
        f'{report["hands"]} hands, {report["repeats"]} repeats\n\n{table(report)}'
    )
    if args.out:
        args.out.write_text(json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
