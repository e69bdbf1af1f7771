"""What HandMeshMetric costs an image in the main process, beside the way before it.

Random predictions of the paper's recipe (two hands, a coarse mesh and M stages) in
batches as a data loader gives them. ``one by one`` measures the plain errors of each
image on its own in torch, as was done before, ``in batches`` is the metric, without and
with InterHand2.6M's protocols. Milliseconds of processor time, the least of the rounds,
so that a busy machine counts little.

Example:
    python tools/benchmarks/scoring.py
"""

import argparse
import time
from collections.abc import Callable


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch-size', type=int, default=30)
    parser.add_argument('--stages', type=int, default=3, metavar='M')
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--threads', type=int, default=1)
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from scoring_one_by_one import image_errors

from mmhand_dne.evaluation import HandMeshMetric
from mmhand_dne.hand_model import HandPair

HAND = dict(type='HandPair', source='cc0', tips='interhand')
PROTOCOLS = ('wrist', 'mcp_scaled')
SIZE = 256  # pixels


def random_sample(rng: np.random.Generator, pair: HandPair, index: int, stages: int):
    """A sample as ``predict`` returns it; two of five images show both hands."""
    kind = ('interacting', 'right', 'interacting', 'left', 'right')[index % 5]
    present = np.array([kind != 'left', kind != 'right'])
    mesh = pair.template.double().numpy() * rng.uniform(0.9, 1.1, (2, 1, 1))
    joints = pair.joint_regressor.double().numpy() @ mesh
    mesh, joints = mesh - joints[:, :1], joints - joints[:, :1]
    root = np.array([[-0.1, 0, 0.8], [0.1, 0, 0.8]])
    sample = PoseDataSample(
        metainfo=dict(
            img_id=index,
            id=index,
            img_path=f'{index}.jpg',
            sample_idx=index,
            input_size=(SIZE, SIZE),
            ori_shape=(512, 334),
            hand_type=kind,
            hand_type_valid=np.ones(1),
            image_mean=90.0,
        )
    )
    known = np.tile(present[:, None], (1, 21))
    sample.gt_instance_labels = _instance(
        hand_vertices=mesh,
        hand_vertices_valid=present,
        hand_joints=joints,
        hand_joints_valid=known,
        hand_joints_ndc=rng.uniform(-1, 1, (2, 21, 2)),
        hand_joints_ndc_valid=known,
        hand_root_cam=root,
        hand_root_valid=present,
        hand_presence=present,
        hand_presence_valid=np.ones(2),
        crop_intrinsics=np.array([[900.0, 0, 128], [0, 900, 128], [0, 0, 1]]),
    )
    sample.gt_instances = InstanceData(
        keypoints=np.float32(rng.uniform(0, 300, (1, 42, 3))),
        keypoints_visible=np.float32(known.reshape(1, 42)),
        keypoints_cam=np.float32(1000 * (joints + root[:, None])).reshape(1, 42, 3),
    )
    found = _predictions(rng, mesh, joints, root, stages)
    sample.pred_instances = InstanceData(
        **{name: np.float32(value)[None] for name, value in found.items()}
    )
    return sample


def _instance(**fields) -> InstanceData:
    tensors = {k: torch.from_numpy(np.float32(v))[None] for k, v in fields.items()}
    return InstanceData(**tensors)


def _predictions(
    rng: np.random.Generator,
    mesh: np.ndarray,
    joints: np.ndarray,
    root: np.ndarray,
    stages: int,
) -> dict[str, np.ndarray]:
    """All fields of a model with so many stages; the last stage's mesh is final."""
    found = dict(hand_root_cam=root, hand_presence=rng.random(2))
    names = ['coarse', *(f'stage{i}' for i in range(1, stages + 1))]
    for name in names:
        found[f'{name}_vertices'] = mesh + rng.normal(0, 0.005, mesh.shape)
        found[f'{name}_joints'] = joints + rng.normal(0, 0.005, joints.shape)
        found[f'{name}_camera'] = rng.normal([8, 0], 0.2, (2, 2, 2))
        if name != 'coarse':
            found[f'{name}_points_ndc'] = rng.uniform(-1, 1, (2, len(mesh[0]), 2))
    for name in ('vertices', 'joints', 'camera'):
        found[f'hand_{name}'] = found[f'{names[-1]}_{name}']
    return found


def milliseconds(work: Callable, images: int, rounds: int) -> float:
    """Of processor time an image, the least of some rounds after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1e3 * min(seconds[1:]) / images


def largest_difference(metric: HandMeshMetric, samples: list[dict]) -> float:
    """Between both ways' errors, relative to the larger of an error and 1."""
    metric.results.clear()
    metric.process(None, samples)
    differences = []
    for sample, result in zip(samples, metric.results):
        batched = dict(zip(result['names'], result['values']))
        for name, error in image_errors(sample).items():
            if not (np.isnan(error) and np.isnan(batched[name])):
                differences.append(abs(batched[name] - error) / max(abs(error), 1))
    return max(differences)


def measure(args) -> dict[str, float]:
    """Milliseconds an image by way, and the largest difference between both."""
    rng, pair = np.random.default_rng(0), HandPair()
    samples = [
        random_sample(rng, pair, index, args.stages).to_dict()
        for index in range(args.batch_size)
    ]
    plain = HandMeshMetric()
    full = HandMeshMetric(protocols=PROTOCOLS, hand_model=HAND)
    works = {
        'one by one': lambda: [image_errors(sample) for sample in samples],
        'in batches': lambda: plain.process(None, samples),
        'in batches, with protocols': lambda: full.process(None, samples),
    }
    found = {
        name: milliseconds(work, len(samples), args.rounds)
        for name, work in works.items()
    }
    return dict(found, difference=largest_difference(plain, samples))


def main(args=None) -> dict[str, float]:
    """Measure, print a table, and return what it holds."""
    args = parse_args(args)
    torch.set_num_threads(args.threads)
    found = measure(args)
    print(f'batches of {args.batch_size} images, M={args.stages} stages')
    print('| scoring | ms an image |\n|---|---:|')
    for name, value in found.items():
        if name != 'difference':
            print(f'| {name} | {value:.2f} |')
    print(f'largest relative difference of an error: {found["difference"]:.1e}')
    return found


if __name__ == '__main__':
    main()
