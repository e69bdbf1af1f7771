"""What pictures cost beside the network, at several sizes, and what they cost before.

Prints processor time in ms, the least of some repetitions in turn: finding and
predicting the hands of a photo; its overlay, side view, uncertainty, coarse and refined
mesh, the data of its 3D view and its share of a report; each also as it was: by the
exact rasteriser with two samples along each side of every pixel, every part of it
by itself and hands told apart by renderings of their own. "of network" is the share of
the network's time, "of exact" that of the exact one's::

    python tools/benchmarks/drawing_cost.py photo.jpg
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as tools/demo.py


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo')
    parser.add_argument('config', nargs='?', help='default: the shipped model')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument(
        '--sizes', type=int, nargs='+', help='some of the sizes, widths'
    )
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
from mmhand_dne.visualization.canvas import mesh_renderer, surface_views
from mmhand_dne.visualization.report.report_data import SceneStore
from mmhand_dne.visualization.report.report_page import (
    packed_library,
    write_report,
)
from mmhand_dne.visualization.results import result_views

SIZES = ((256, 256), (640, 480), (848, 565), (1280, 720))
KINDS = ('overlay', 'side', 'uncertainty', 'coarse_refined')
EXACT_SAMPLES = 2
ENTRIES = 4  # of the report, from one to which its time grows
LAYER = 256  # pixels, at most, in which it was found which hand is in front


def least(function: Callable, repeat: int) -> float:
    """Processor time of a call, ms."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1000 * min(times)


class ExactView:
    """As ``surface_views.View``, all samples of all pixels by the exact rasteriser."""

    def __init__(
        self,
        surfaces: list[surface_views.Surface],
        size: tuple[int, int],
        zoom: tuple[float, float] = (1.0, 1.0),
        samples: int = EXACT_SAMPLES,
        corner: tuple[float, float] = (0, 0),
    ) -> None:
        self.surfaces, self.corner = surfaces, np.asarray(corner)
        points, faces, fine = [], [], EXACT_SAMPLES * torch.tensor(zoom)
        for one in surfaces:
            faces.append(one.faces + sum(map(len, points)))
            flat = one.points[:, :2] - torch.as_tensor(self.corner) + 0.5
            flat = (flat * fine - 0.5).float()
            points.append(torch.cat([flat, one.points[:, 2:]], 1))
        self.points, self.faces = torch.cat(points)[None], torch.cat(faces)
        large = EXACT_SAMPLES * size[0], EXACT_SAMPLES * size[1]
        self.seen = rasterize(
            self.points, self.faces, large, perspective=surfaces[0].perspective
        )
        self.coverage = self._means((self.seen.face >= 0)[:, None].float())[0]

    def shade(self, colors: list, ambient: float) -> np.ndarray:
        """As of the view."""
        values = []
        for one, color in zip(self.surfaces, colors):
            normals = vertex_normals(one.vertices, one.faces).numpy().T
            lamp = torch.from_numpy(surface_views.brightness(normals)).float()
            bright = (ambient + (1 - ambient) * lamp)[:, None]
            color = torch.as_tensor(color, dtype=torch.float32) / 255
            values.append((bright * color).expand(len(bright), 3))
        drawn = interpolate(self.seen, self.faces, torch.cat(values))
        front = front_facing(self.points, self.faces)[0][self.seen.face]
        inner = ~front & (self.seen.face >= 0)
        kept = torch.where(inner, surface_views.BACK_FACE, 1.0)[:, None]
        shaded = self._means(drawn.permute(0, 3, 1, 2) * kept)
        return np.ascontiguousarray(shaded.transpose(1, 2, 0))

    @staticmethod
    def _means(samples: torch.Tensor) -> np.ndarray:
        return torch.nn.functional.avg_pool2d(samples, EXACT_SAMPLES)[0].numpy()


def exact_in_front(view: ExactView, size: tuple[int, int]) -> np.ndarray:
    """As ``mesh_renderer.in_front``, by a rendering at ``LAYER`` pixels at most."""
    scale = min(1.0, LAYER / max(size))
    small = tuple(max(1, round(scale * side)) for side in size)
    points = [
        torch.cat([scale * (one.points[:, :2] + 0.5) - 0.5, one.points[:, 2:]], 1)
        for one in view.surfaces
    ]
    seen = rasterize(
        torch.cat(points)[None],
        view.faces,
        small,
        perspective=view.surfaces[0].perspective,
    )
    ends = np.cumsum([len(one.faces) for one in view.surfaces])
    number = np.searchsorted(ends, seen.face[0].numpy(), side='right')
    number = np.where(seen.face[0].numpy() < 0, -1, number).astype(np.int16)
    return cv2.resize(number, size[::-1], interpolation=cv2.INTER_NEAREST)


def both(function: Callable, repeat: int) -> tuple[float, float]:
    """Processor time of a call, ms, as it is and as it was, in turn."""
    times = []
    for _ in range(repeat):
        times.append(least(function, 1))
        with (
            patch.object(mesh_renderer, 'look_at', ExactView),
            patch.object(result_views, 'in_front', exact_in_front),
            patch.object(
                result_views.PictureJob, 'once', lambda job, key, draw: draw()
            ),
        ):
            times.append(least(function, 1))
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
    found['these four'] = tuple(map(sum, zip(*found.values())))
    found['three_d'] = both(lambda: SceneStore().scene(result), repeat)
    packed_library()  # which every page has, whatever it shows
    one, several = (
        both(lambda: write_entries(result, rgb, n), repeat)  # noqa: B023
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
    sizes = [size for size in SIZES if not args.sizes or size[0] in args.sizes]
    for width, height in sizes:
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
