"""Smoothing measured on rendered videos with known ground truth: error and jitter.

Renders clips of a moving CC0 hand (right, left, right, ...) before a fixed camera,
with something passing in front every two seconds; runs a model over the frames, with
the true box of each frame plus the jitter of a detector; smooths the tracks; and prints
one table:

- MPJPE, MPVPE: mm, relative to the wrist, as tools/test.py has them; once more for the
  frames in which something covers the hand.
- joint jitter, mesh jitter: mean length of the error of the acceleration, mm per
  frame^2 (second differences of joints or vertices relative to the wrist, minus the
  ground truth's).
- wrist jitter: the same of the wrist in camera metres, with the camera's intrinsics.

Rows: the model as it is; One-Euro; ours with one variance for all coordinates and
frames; ours without error bars, where all rotations err by one angle; ours with one
covariance per track, the mean of the predicted ones; ours with the covariance of each
frame; the last one without looking ahead. Rows that need error bars are left out for a
model without them.

Nothing is tuned on these clips: what was chosen by measuring comes from clips of seed
101.

Example:
    python tools/analysis_tools/smooth_benchmark.py \
        configs/hamer/hamer-full_small_rendered-128x128.py \
        work_dirs/compare_covariances/seed0/full/epoch_6.pth
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

TUNING_SEED = 101


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--clips', type=int, default=6)
    parser.add_argument(
        '--frames', type=int, default=180, help='of each clip, 30 per second'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=7,
        help=f'of the clips; {TUNING_SEED} is the one that parameters were tuned on',
    )
    parser.add_argument('--image-size', type=int, nargs=2, default=(256, 180))
    parser.add_argument('--max-turn', type=float, default=35.0, help='degrees')
    parser.add_argument('--camera-spread', type=float, default=20.0, help='degrees')
    parser.add_argument(
        '--no-occluders', action='store_true', help='nothing passes in front'
    )
    parser.add_argument(
        '--box-jitter',
        type=float,
        default=0.02,
        help='standard deviation of each side of a box, in box sizes',
    )
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--device', default=None)
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    parser.add_argument('--cfg-options', nargs='+', default=[])
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
import torch
from mmengine.config import DictAction

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.given_boxes import HandBox
from mmhand_dne.apis.temporal.smoothers import KalmanSeries
from mmhand_dne.apis.temporal.smoothing import smooth, smooth_with
from mmhand_dne.apis.temporal.tracking import track
from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.datasets.synthetic import HandModels, Recipe
from mmhand_dne.datasets.synthetic.motion import render_motion, sample_motion
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import ImageResult

FPS = 30.0
COLUMNS = (
    'MPJPE [mm]',
    'MPVPE [mm]',
    'MPJPE covered [mm]',
    'joint jitter',
    'mesh jitter',
    'wrist jitter',
)


class Clip(NamedTuple):
    """A rendered video and its ground truth; arrays (T, ...) in camera metres."""

    side: str
    images: list  # (H, W, 3) uint8 BGR
    boxes: np.ndarray  # (T, 4) pixels, jittered
    intrinsics: np.ndarray  # (3, 3)
    joints: np.ndarray  # (T, 21, 3)
    vertices: np.ndarray  # (T, V, 3)
    hidden: np.ndarray  # (T,) bool


def render_clip(
    args: argparse.Namespace, recipe: Recipe, models: HandModels, number: int
) -> Clip:
    """One clip of the benchmark."""
    side = ('right', 'left')[number % 2]
    hands = sample_motion(recipe, models, side, number, args.frames, FPS)
    frames = list(render_motion(recipe, models, hands, number, FPS))
    boxes = np.stack([frame.box for frame in frames])
    extent = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    rng = recipe.generator('boxes', number)
    return Clip(
        side,
        [np.ascontiguousarray(frame.image[..., ::-1]) for frame in frames],
        boxes + args.box_jitter * extent * rng.standard_normal(boxes.shape),
        frames[0].intrinsics,
        np.stack([frame.joints_cam for frame in frames]),
        np.stack([frame.vertices_cam for frame in frames]),
        np.array([frame.hidden for frame in frames]),
    )


def predict(
    inferencer: HandMeshInferencer, clip: Clip, batch_size: int
) -> list[ImageResult]:
    """Tracked results of a clip's frames."""
    boxes = iter(clip.boxes)
    inferencer.detector = lambda *_: [HandBox(next(boxes), clip.side, 0.0, 'tight')]
    results = list(
        track(
            inferencer.results(
                clip.images, batch_size=batch_size, intrinsics=clip.intrinsics
            )
        )
    )
    numbers = {number for result in results for number in result.track_ids}
    if numbers != {0} or any(len(result.hands) != 1 for result in results):
        raise RuntimeError(f'tracking one hand gave the tracks {sorted(numbers)}')
    return results


def with_covariance(results: list[ImageResult], kind: str) -> list[ImageResult]:
    """The results with error bars that are 'equal', the track's 'mean', or 'none'."""
    hands = [result.hands[0] for result in results]
    change = dict(joint_covariance_full=None, joint_std=None)
    if kind == 'equal':
        change['joint_covariance_full'] = 1e-4 * np.eye(60)  # any unit: it is scaled
    elif kind == 'mean':
        change = dict(
            joint_covariance_full=np.mean(
                [hand.joint_covariance_full for hand in hands], axis=0
            )
        )
    return [
        replace(result, hands=(replace(hand, **change),))
        for result, hand in zip(results, hands)
    ]


def variants(
    results: list[ImageResult], hand_model: HandPair | SingleHand
) -> dict[str, list[ImageResult]]:
    """The smoothed results of every row."""

    def kalman(found: list[ImageResult]) -> list[ImageResult]:
        return smooth(found, 'kalman', FPS, hand_model=hand_model)

    rows = {
        'the model': results,
        'One-Euro (causal)': smooth(results, 'one_euro', FPS, hand_model=hand_model),
        'ours, one variance': kalman(with_covariance(results, 'equal')),
        'ours, no error bars': kalman(with_covariance(results, 'none')),
    }
    if results[0].hands[0].joint_covariance_full is not None:
        causal = KalmanSeries(backward=False)
        rows['ours, one covariance per track'] = kalman(
            with_covariance(results, 'mean')
        )
        rows["ours, each frame's covariance"] = kalman(results)
        rows["ours, each frame's, filter only"] = list(
            smooth_with(results, causal, hand_model, fill=False)
        )
    return rows


def score(results: list[ImageResult], clip: Clip) -> list[float]:
    """The table's numbers of a clip, in the order of COLUMNS."""
    hands = [result.hands[0] for result in results]
    joints, vertices, wrist = (
        np.stack([getattr(hand, name) for hand in hands]).astype(np.float64)
        for name in ('joints', 'vertices', 'translation')
    )
    root = clip.joints[:, :1]
    true_joints, true_vertices = clip.joints - root, clip.vertices - root
    errors = MILLIMETRES * np.linalg.norm(joints - true_joints, axis=-1).mean(1)
    covered = errors[clip.hidden].mean() if clip.hidden.any() else np.nan
    mesh = MILLIMETRES * np.linalg.norm(vertices - true_vertices, axis=-1).mean()
    return [
        errors.mean(),
        mesh,
        covered,
        jitter(joints, true_joints),
        jitter(vertices, true_vertices),
        jitter(wrist[:, None], root),
    ]


def jitter(points: np.ndarray, gt: np.ndarray) -> float:
    """Mean error of the acceleration, (T, N, 3) metres -> mm per frame^2."""
    bend = np.diff(points - gt, 2, axis=0)
    return float(MILLIMETRES * np.linalg.norm(bend, axis=-1).mean())


def table(scores: dict[str, list[list[float]]]) -> str:
    """Markdown, means over the clips."""
    lines = ['| | ' + ' | '.join(COLUMNS) + ' |', '|---|' + '---:|' * len(COLUMNS)]
    for name, clips in scores.items():
        cells = [f'{value:.2f}' for value in np.mean(clips, axis=0)]
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    options = {}
    for text in args.cfg_options:
        key, value = text.split('=', 1)
        options[key] = DictAction._parse_iterable(value)
    inferencer = HandMeshInferencer(
        args.config, args.checkpoint, args.device, cfg_options=options
    )
    recipe = Recipe(
        seed=args.seed,
        image_size=tuple(args.image_size),
        cameras=1,
        interacting_share=0.0,
        occlusion_share=0.0 if args.no_occluders else 1.0,
        max_turn=args.max_turn,
        camera_spread=args.camera_spread,
    )
    models, scores = HandModels(), {}
    for number in range(args.clips):
        clip = render_clip(args, recipe, models, number)
        with torch.no_grad():
            results = predict(inferencer, clip, args.batch_size)
        for name, found in variants(results, inferencer.model.hand_model).items():
            scores.setdefault(name, []).append(score(found, clip))
        print(f'clip {number + 1}/{args.clips} ({clip.side}) done', flush=True)
    print(
        f'\n{args.clips} clips of {args.frames} frames, seed {args.seed}; jitter in '
        f'mm per frame^2 at {FPS:g} frames per second:\n\n{table(scores)}'
    )
    if args.out:
        args.out.write_text(
            json.dumps(dict(columns=COLUMNS, clips=scores, seed=args.seed), indent=2)
        )


if __name__ == '__main__':
    main()
