"""What pictures cost beside the network, at several sizes, and what they cost before.

Prints processor time in ms, the least of some repetitions in turn: finding and
predicting the hands of a photo; its overlay, side view, uncertainty, coarse and refined
mesh, the data of its 3D view and its share of a report; each also with the renderer as
it was, the exact rasteriser with two samples along each side of every pixel. "of
network" is the share of the network's time, "of exact" that of the exact one's::

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
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.rasterize import front_facing, interpolate, rasterize
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.canvas import mesh_renderer
from mmhand_dne.visualization.report.report_data import SceneStore
from mmhand_dne.visualization.report.report_page import write_report

SIZES = ((256, 256), (640, 480), (848, 565), (1280, 720))
KINDS = ('overlay', 'side', 'uncertainty', 'coarse_refined')
EXACT_SAMPLES = 2
ENTRIES = 4  # of the report, from one to which its time grows


def least(function: Callable, repeat: int) -> float:
    """Processor time of a call, ms."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def exact_seen(
    surfaces: list[mesh_renderer.Surface],
    size: tuple[int, int],
    zoom: tuple[float, float],
    samples: int,
    ambient: float,
) -> np.ndarray:
    """As ``mesh_renderer._seen``, all samples of all pixels by the exact rasteriser."""
    points, faces, values = [], [], []
    for one in surfaces:
        faces.append(one.faces + sum(map(len, points)))
        fine = EXACT_SAMPLES * torch.tensor(zoom)
        points.append(
            torch.cat([(one.points[:, :2] + 0.5) * fine - 0.5, one.points[:, 2:]], 1)
        )
        bright = mesh_renderer._brightness(
            vertex_normals(one.vertices, one.faces), ambient
        )
        color = torch.as_tensor(one.color, dtype=torch.float32) / 255
        light = (bright[:, None] * color).expand(len(bright), 3)
        values.append(torch.cat([light, torch.ones(len(bright), 1)], dim=1))
    points, faces = torch.cat(points)[None], torch.cat(faces)
    large = EXACT_SAMPLES * size[0], EXACT_SAMPLES * size[1]
    seen = rasterize(points, faces, large, perspective=surfaces[0].perspective)
    drawn = interpolate(seen, faces, torch.cat(values)).permute(0, 3, 1, 2)
    inner = ~front_facing(points, faces)[0][seen.face] & (seen.face >= 0)
    drawn[:, :3] *= torch.where(inner, mesh_renderer.BACK_FACE, 1.0)[:, None]
    return torch.nn.functional.avg_pool2d(drawn, EXACT_SAMPLES)[0].numpy()


def both(function: Callable, repeat: int) -> tuple[float, float]:
    """Processor time of a call, ms, as it is and with the exact renderer, in turn."""
    ours, exact = mesh_renderer._seen, exact_seen
    times = []
    for _ in range(repeat):
        for seen in (ours, exact):
            mesh_renderer._seen = seen
            times.append(least(function, 1))
    mesh_renderer._seen = ours
    return min(times[::2]), min(times[1::2])


def write_entries(result: ImageResult, rgb: np.ndarray, entries: int) -> None:
    """A report that has the picture so many times."""
    with tempfile.TemporaryDirectory() as folder:
        write_report(
            Path(folder) / 'report.html',
            [(result, rgb)] * entries,
            lambda one: result_files(one, ('json', 'obj', 'glb'), 'a'),
            'Hands',
        )


def costs(
    inferencer: HandMeshInferencer, image: np.ndarray, repeat: int
) -> tuple[int, float, dict[str, tuple[float, float]]]:
    """Hands of an image (H, W, 3) BGR, ms of the network, and of each kind ms now and
    with the exact renderer.
    """
    [frame] = open_input(image)
    [result] = inferencer.results(image)
    size = max(video_size(image))
    rgb = np.ascontiguousarray(image[..., ::-1])
    network = [least(lambda: list(inferencer.results(image)), repeat)]
    found = {
        kind: both(lambda: draw_frame(frame, result, (kind,), size), repeat)  # noqa: B023
        for kind in KINDS
    }
    found['three_d'] = both(lambda: SceneStore().scene(result), repeat)
    one, several = (
        both(lambda: write_entries(result, rgb, n), 1)  # noqa: B023
        for n in (1, ENTRIES)
    )
    found['report'] = tuple((b - a) / (ENTRIES - 1) for a, b in zip(one, several))
    network.append(least(lambda: list(inferencer.results(image)), repeat))
    return len(result.hands), min(network), found


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    inferencer = HandMeshInferencer(args.config, args.checkpoint)
    photo = read_image(args.photo)
    print(
        f'{"size":>12}{"hands":>6}{"network":>9}  {"picture":15}{"now":>7}{"exact":>8}'
        f'{"of network":>12}{"of exact":>10}'
    )
    for width, height in SIZES:
        image = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
        count, network, found = costs(inferencer, image, args.repeat)
        for kind, (now, exact) in found.items():
            print(
                f'{f"{width} x {height}":>12}{count:6}{network:9.0f}  {kind:15}'
                f'{now:7.1f}{exact:8.1f}{now / network:12.2f}{now / exact:10.2f}',
                flush=True,
            )


if __name__ == '__main__':
    main()
