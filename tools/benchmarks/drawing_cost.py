"""What drawing costs beside the network, on the same picture at several sizes.

Prints processor time in ms, the least of some repetitions: finding and predicting the
hands of a photo, its overlay, its side view, and its share of a report::

    python tools/benchmarks/drawing_cost.py photo.jpg
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as tools/demo.py


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo')
    parser.add_argument('config', nargs='?', help='default: the shipped model')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--repeat', type=int, default=3)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import cv2
import numpy as np
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.result_drawing import draw_frame, video_size
from mmhand_dne.apis.result_writers import result_files
from mmhand_dne.fileio.images import read_image
from mmhand_dne.visualization.report.report_page import write_report

SIZES = ((256, 256), (640, 480), (1280, 720))
COLUMNS = ('network', 'overlay', 'side', 'report')
ENTRIES = 4  # of the report, from one to which its time grows


def least(function: Callable, repeat: int) -> float:
    """Processor time of a call, ms."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def costs(
    inferencer: HandMeshInferencer, image: np.ndarray, repeat: int
) -> tuple[int, list[float]]:
    """Hands of an image (H, W, 3) BGR, and ms in the order of COLUMNS."""
    [frame] = open_input(image)
    [result] = inferencer.results(image)
    size = max(video_size(image))
    rgb = np.ascontiguousarray(image[..., ::-1])

    def report(entries: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_report(
                Path(folder) / 'report.html',
                [(result, rgb)] * entries,
                lambda one: result_files(one, ('json', 'obj', 'glb'), 'a'),
                'Hands',
            )

    network = least(lambda: list(inferencer.results(image)), repeat)
    drawn = [
        least(lambda: draw_frame(frame, result, (kind,), size), repeat)  # noqa: B023
        for kind in ('overlay', 'side')
    ]
    one, several = (least(lambda: report(n), 1) for n in (1, ENTRIES))  # noqa: B023
    return len(result.hands), [network, *drawn, (several - one) / (ENTRIES - 1)]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    inferencer = HandMeshInferencer(args.config, args.checkpoint)
    photo = read_image(args.photo)
    print(f'{"size":>12}{"hands":>7}' + ''.join(f'{name:>10}' for name in COLUMNS))
    for width, height in SIZES:
        image = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
        count, found = costs(inferencer, image, args.repeat)
        print(
            f'{f"{width} x {height}":>12}{count:7}'
            + ''.join(f'{value:10.0f}' for value in found),
            flush=True,
        )


if __name__ == '__main__':
    main()
