"""Frames per second of a video without drawing, beside its files as they were at first.

Makes a video of one photo that moves and takes it through the demo's steps, in turns:
as now, results in one file and rows in another; and as before (folder ``former``), JSON
of each frame with its meshes, written twice. Decoding, network and tracks are the same
in both. Prints seconds of the clock and of the processor a frame, at least over the
rounds, and their ratios.

    python tools/benchmarks/video_speed.py photo.jpg
    python tools/benchmarks/video_speed.py photo.jpg CONFIG CHECKPOINT --detector \\
        whole_image --presence-thr 0
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo', help='the image that moves in the video')
    parser.add_argument('config', nargs='?', help='default: the shipped model')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--frames', type=int, default=200, help='default: 200')
    parser.add_argument('--rounds', type=int, default=3, help='default: 3')
    parser.add_argument(
        '--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H')
    )
    parser.add_argument('--detector', help='as of the demo')
    parser.add_argument('--side', choices=['right', 'left', 'both'])
    parser.add_argument('--presence-thr', type=float, default=0.5)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

sys.path.insert(0, str(ROOT))

from former.video_files import FormerVideoRun
from video_memory import write_video

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.demo_run import DemoRun
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.run_record import RunRecord

RUNS = {'before': FormerVideoRun, 'now': DemoRun}
MILLI = 1e3


def take_through(
    way: str, inferencer: HandMeshInferencer, clip: Path, args: argparse.Namespace
) -> tuple[float, float, int]:
    """Milliseconds of the clock and of the processor a frame, and hands found."""
    with tempfile.TemporaryDirectory() as folder, RunRecord(Path(folder), {}) as record:
        run = RUNS[way](
            inferencer,
            open_input(clip),
            record,
            ('json',),
            (),
            dict(side=args.side),
            batch_size=8,
            presence_thr=args.presence_thr,
        )
        clock, processor = time.perf_counter(), time.process_time()
        run.run()
        spent = time.perf_counter() - clock, time.process_time() - processor
    return *(MILLI * seconds / args.frames for seconds in spent), run.counts['hands']


def main(argv: list[str] | None = None) -> dict[str, tuple[float, float]]:
    """Time both, print a table, and return milliseconds a frame by way."""
    args = parse_args(argv)
    inferencer = HandMeshInferencer(
        args.config, args.checkpoint, det_model=args.detector
    )
    found, hands = {way: [] for way in RUNS}, set()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / 'clip.mp4'
        write_video(clip, args.photo, args.frames, tuple(args.size))
        for number in range(args.rounds):
            for way in RUNS if number % 2 else reversed(RUNS):
                *spent, count = take_through(way, inferencer, clip, args)
                found[way].append(spent)
                hands.add(count)
    if len(hands) > 1:
        raise RuntimeError(f'both ways find the same hands, found {sorted(hands)}')
    best = {way: tuple(map(min, zip(*rounds))) for way, rounds in found.items()}
    print(
        f'{args.frames} frames of {args.size[0]} x {args.size[1]}, {hands.pop()} hands'
    )
    print('| | before | now | ratio |\n|---|---:|---:|---:|')
    for index, name in enumerate(('clock', 'processor')):
        before, now = (best[way][index] for way in RUNS)
        print(f'| {name}, ms a frame | {before:.1f} | {now:.1f} | {before / now:.2f} |')
    before, now = (MILLI / best[way][0] for way in RUNS)
    print(f'| frames a second | {before:.1f} | {now:.1f} | {now / before:.2f} |')
    return best


if __name__ == '__main__':
    main()
