"""What one image costs, stage by stage: decode, detect, crop, network, mesh, draw.

One image after the other, as a live user has them; p50 and p95 over the repeats.
PyTorch, ONNX Runtime and the package mediapipe, where they are there, take turns, so
that a busy machine slows all of them.

- decode: from the file to pixels.
- detect: boxes of hands; of the shipped model palms.
- landmarks: which turn the crops, of the shipped model.
- crop: all crops of the image, with the config's test pipeline.
- network: the forward on the device, preprocessing and copies included, but not
  the hand model.
- mesh: the MANO layer inside it, and making the typed result.
- file to mesh: all of that.
- draw: the overlay at the image's size, at most 1280 pixels, as of a video.

Of mediapipe, which gives landmarks and no mesh, "file to mesh" ends with those. For the
frames of a video the image goes to and fro, and hands are looked for where they were;
the last rate is that with every frame's overlay drawn.

Hands are kept whatever their presence, so that there is something to draw.

Example:
    python tools/benchmarks/latency.py photo.jpg --device cpu --threads 2
    python tools/benchmarks/latency.py photo.jpg configs/dne_rendered.py \
        work_dirs/quickstart/epoch_17.pth --device cpu --threads 2 --out latency.json
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as tools/demo.py


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('image', type=Path)
    parser.add_argument('config', nargs='?', help='default: the shipped model')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--device', help='default: cuda where there is one')
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
    parser.add_argument(
        '--onnx',
        metavar='FILE',
        help="file of export_onnx.py, or 'none'; default: the shipped model is "
        'exported where the packages for that are installed',
    )
    parser.add_argument('--frames', type=int, default=40, help='of the video; 0: none')
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    args = parser.parse_args(args)
    if args.repeats < 1 or args.warm_up < 0:
        parser.error('--repeats is at least 1, --warm-up at least 0')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import cv2
import numpy as np
import torch
from latency_runs import (
    DRAW,
    DRAWN,
    PYTORCH,
    STAGES,
    TO_MESH,
    TOTAL,
    MediaPipeRun,
    OnnxRun,
    PyTorchRun,
    exported,
    has_mediapipe,
    moving,
)

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.shipped_model import SHIPPED_CONFIG
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.fileio.images import read_image

ROWS = (*STAGES, TO_MESH, DRAW, TOTAL)
ONNX_PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
MILLISECONDS = 1000.0  # in a second


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
    with tempfile.TemporaryDirectory() as folder:
        others = other_runs(inferencer, args, Path(folder))
    options = dict(bboxes=args.bboxes, side=args.side)
    runs = [PyTorchRun(inferencer, cuda, options), *others]
    stages, hands = time_photo(runs, args)
    image, video = read_image(args.image), {}
    if args.frames and not args.bboxes:  # which are of one image
        video = time_video(runs, image, args.frames)
    return dict(
        image=str(args.image),
        size=list(image.shape[1::-1]),
        hands=hands[runs[0].name],
        config=args.config or SHIPPED_CONFIG,
        checkpoint=inferencer.weights,
        repeats=args.repeats,
        device=args.device,
        device_name=torch.cuda.get_device_name(args.device) if cuda else cpu_name(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        stages=stages.pop(runs[0].name),
        others=stages,
        video=video,
    )


def other_runs(
    inferencer: HandMeshInferencer, args: argparse.Namespace, folder: Path
) -> list[OnnxRun | MediaPipeRun]:
    """What is timed beside PyTorch; a model is exported to ``folder``."""
    runs: list[OnnxRun | MediaPipeRun] = []
    model, shipped = args.onnx, args.config is None
    if model is None and shipped and all(map(find_spec, ONNX_PACKAGES)):
        print('exporting the model to ONNX, which takes a minute')
        model = exported(inferencer, folder)
    if model not in (None, 'none'):
        runs.append(OnnxRun(Path(model), args.threads or 0))
    if shipped and has_mediapipe():
        runs.append(MediaPipeRun())
    return runs


def time_photo(
    runs: list, args: argparse.Namespace
) -> tuple[dict[str, dict], dict[str, int]]:
    """Summaries by run and stage, and by run how many hands it found."""
    seconds: dict[str, list[dict[str, float]]] = {run.name: [] for run in runs}
    hands: dict[str, int] = {}
    for repeat in range(args.warm_up + args.repeats):
        for run in runs:
            taken, hands[run.name] = run.photo(args.image)
            if repeat >= args.warm_up:
                seconds[run.name].append(taken)
    stages = {
        run: {
            name: summary([taken[name] for taken in several])
            for name in ROWS
            if name in several[0]
        }
        for run, several in seconds.items()
    }
    return stages, hands


def time_video(runs: list, image: np.ndarray, count: int) -> dict[str, dict]:
    """Summaries of a frame's seconds by run, the first one left out; then of PyTorch's
    with the overlay drawn.
    """
    frames = moving(image, count + 1)
    videos = [run.video(frames) for run in runs]
    rows = [[next(video) for video in videos] for _ in frames]
    found = {run.name: summary(list(taken)) for run, taken in zip(runs, zip(*rows[1:]))}
    [pytorch] = (run for run in runs if run.name == PYTORCH)
    found[PYTORCH + DRAWN] = summary(list(pytorch.video(frames, drawn=True))[1:])
    return found


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
    """Markdown: p50 and p95 of each stage, of all that was timed; then of a frame."""
    columns = {PYTORCH: report['stages'], **report['others']}
    alone = len(columns) == 1
    names = [
        f'{"" if alone else run + ", "}{value} [ms]'
        for run in columns
        for value in ('p50', 'p95')
    ]
    lines = [f'| stage | {" | ".join(names)} |', '|---|' + '---:|' * len(names)]
    video = {run: report['video'].get(run) for run in columns}
    rows = {name: [stages.get(name) for stages in columns.values()] for name in ROWS}
    rows['frame of a video'] = list(video.values())
    for name, stages in rows.items():
        if any(stages):
            cells = [
                f'{stage[value]:.2f}' if stage else '-'
                for stage in stages
                for value in ('p50', 'p95')
            ]
            lines.append(f'| {name} | {" | ".join(cells)} |')
    rates = [
        f'{run} {MILLISECONDS / float(np.mean(stage["milliseconds"])):.1f}'
        for run, stage in report['video'].items()
    ]
    return '\n'.join(lines + (['', f'frames/s: {", ".join(rates)}'] if rates else []))


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
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
