"""HandMeshMetric: mesh, joint, projection and root errors of two-hand predictions."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpose.registry import METRICS

from mmhand_dne.errors import UserError

from ..functional.pose_errors import (
    HandMeshGroundTruth,
    HandMeshPrediction,
    MeshHands,
    camera_floor,
    hand_mesh_errors,
    mesh_hands,
    point_errors,
    presence_correct,
    relative_root_error,
)
from .image_batch import ImageBatch
from .image_metric import ImageMetric
from .image_results import (
    image_identity,
    image_name,
    mean_of_finite,
    sorted_once,
)
from .protocols import build_protocols

CHUNK = 32  # images measured at once
POINTS = 'MPVPE2D-points'
STAGE_FIELD = re.compile(r'(coarse|stage\d+)_vertices')
MESH_FIELDS = ('vertices', 'joints', 'camera')


@METRICS.register_module()
class HandMeshMetric(ImageMetric):
    """Errors of the refined mesh, of the coarse one and of every stage.

    ``MPJPE``, ``MPVPE``, ``PA-MPJPE``, ``PA-MPVPE`` in mm, ``MPVPE2D`` and ``MPJPE2D``
    in crop pixels, each with ``_SH``, ``_IH`` (by the true hand type) and ``_All``.
    Without prefix: the last stage; ``coarse/``, ``stage1/``, ... where predicted.
    ``MPVPE2D`` goes through the corrected camera; ``stage1/MPVPE2D-points`` is the
    error of u', the points that the stage's 2D noise moved (Eq. 1), which the camera
    is fitted to. ``MPVPE2D-floor`` is the error of the *true* mesh under its own least
    squares scaled orthographic camera: what is left of ``MPVPE2D`` to a perfect model
    with a camera of that kind, since true images are perspective ones.
    ``MRRPE`` (mm, both wrists with ground truth) and ``presence_acc`` (share of images
    whose slots with ground truth are all on the right side of one half) are over all
    images.

    ``_All`` pools images, an image is the mean of its hands with ground truth, a hand
    the mean of its valid points [decided]; the tables of DNE fit it on the data set's
    ``intaghand_frames``. A group without any ground truth is left out, but ``_All``
    then is NaN, so that ``save_best='MPVPE_All'`` (with ``rule='less'``) works on a set
    without meshes: NaN is never the best.

    One array of floats per image is kept. Images are sorted by dataset index and
    counted once, so the numbers are the same, to the bit, for any number of
    processes and whatever a sampler repeats to fill up the last batches.

    Beside MMPose's InterHandMetric one of the two needs a prefix: both report MRRPE.

    Public protocols come beside these numbers, under their names: ``wrist/MPJPE_All``
    of :class:`WristProtocol`, ``mcp_scaled/MPJPE`` of :class:`MCPScaledProtocol`.

    Args:
        protocols: names, 'wrist' and 'mcp_scaled', or configs with options such as
            ``dict(type='MCPScaledProtocol', min_grey=None)``.
        hand_model: config of the run's hand; protocols regress joints with it.
        allow_reflection: PA may mirror the prediction.
        collect_device, prefix, collect_dir: as in ``BaseMetric``.
    """

    def __init__(
        self,
        allow_reflection: bool = False,
        protocols: Sequence[str | dict] = (),
        hand_model: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ):
        super().__init__(collect_device, prefix, collect_dir)
        self.allow_reflection = allow_reflection
        self.protocols = build_protocols(protocols, hand_model)
        self._names: tuple[str, ...] = ()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the errors of a batch.

        Args:
            data_batch: not used.
            data_samples: dicts of data samples with gt_instance_labels and
                pred_instances.

        Raises:
            ValueError: a field is missing, of another shape or not finite; names the
                image.
        """
        for stages, samples in itertools.groupby(data_samples, _stages):
            samples = list(samples)
            for start in range(0, len(samples), CHUNK):
                batch = ImageBatch(samples[start : start + CHUNK])
                self.results.extend(self._results(batch, stages))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the collected images; keys as in the class's docstring."""
        results = sorted_once(results)
        names = results[0]['names']
        for result in results:
            if result['names'] != names:
                raise UserError(
                    f'HandMeshMetric: image {result["image"]} has the errors '
                    f'{result["names"]}, the first image {names}; predict the same '
                    'stages for every image'
                )
        values = np.stack([result['values'] for result in results])
        interacting = np.array([result['interacting'] for result in results])
        metrics = {}
        for name, column in zip(names, values.T, strict=True):
            if name in ('MRRPE', 'presence_acc'):
                metrics[name] = mean_of_finite(name, column)
                continue
            metrics[f'{name}_SH'] = mean_of_finite(name, column[~interacting])
            metrics[f'{name}_IH'] = mean_of_finite(name, column[interacting])
            metrics[f'{name}_All'] = mean_of_finite(name, column)
        for i, protocol in enumerate(self.protocols):
            values = np.stack([result['protocols'][i] for result in results])
            scores = protocol.scores(values, interacting)
            metrics.update({f'{protocol.name}/{k}': v for k, v in scores.items()})
        return _without_empty(metrics)

    def _results(self, batch: ImageBatch, stages: tuple[str, ...]) -> list[dict]:
        """What is kept of images with the same predicted stages."""
        gt, hands = _read_gt(batch)
        values = _mesh_values(batch, stages, gt, hands, self.allow_reflection)
        values['MPVPE2D-floor'] = camera_floor(hands, len(batch))
        values['MRRPE'] = _root_errors(batch, gt)
        values['presence_acc'] = presence_correct(
            _predicted(batch, 'hand_presence', (2,)),
            _label(batch, 'hand_presence', (2,)),
            _label(batch, 'hand_presence_valid', (2,)) > 0,
        )
        if tuple(values) != self._names:
            self._names = tuple(values)  # one tuple for all images
        columns = np.stack(list(values.values()), axis=1)
        protocols = [protocol.read(batch) for protocol in self.protocols]
        return [
            dict(
                order=image_identity(batch.samples[i], image),
                image=image,
                interacting=bool(batch.hand_flags()[i].all()),
                names=self._names,
                values=columns[i],
                protocols=[found[i] for found in protocols],
            )
            for i, image in enumerate(batch.images)
        ]


def _label(batch: ImageBatch, key: str, shape: tuple) -> np.ndarray:
    return batch.labels(key, shape, 'HandMeshMetric')


def _predicted(
    batch: ImageBatch, key: str, shape: tuple, finite: bool = True
) -> np.ndarray:
    return batch.predictions(key, shape, 'HandMeshMetric', finite)


def _stages(sample: dict) -> tuple[str, ...]:
    """Names of the predicted meshes before the last one: 'coarse', 'stage1', ..."""
    image, fields = image_name(sample), sample.get('pred_instances')
    if not fields:
        raise UserError(
            f'image {image}: no prediction; run the model before the metric'
        )
    if 'input_size' not in sample:
        raise UserError(f'image {image}: no input_size; pack it as meta key')
    found = [key for key in fields if key.endswith('_vertices')]
    stages = [match[1] for match in map(STAGE_FIELD.fullmatch, found) if match]
    stages.sort(key=lambda name: (len(name), name) if name != 'coarse' else (0, ''))
    return tuple(stages)


def _root_errors(batch: ImageBatch, gt: HandMeshGroundTruth) -> np.ndarray:
    """MRRPE of images, (B) mm.

    Infinite where the camera's scale is not positive, so that a hand has no position;
    NaN stays the mark of missing ground truth.
    """
    root = _predicted(batch, 'hand_root_cam', (2, 3), False)
    error = relative_root_error(root, gt.root_cam, gt.root_valid)
    nowhere = gt.root_valid.all(-1) & ~np.isfinite(root).all((1, 2))
    return np.where(nowhere, np.inf, error)


def _read_gt(batch: ImageBatch) -> tuple[HandMeshGroundTruth, MeshHands]:
    """Mesh ground truth of the images."""
    gt = HandMeshGroundTruth(
        vertices=_label(batch, 'hand_vertices', (2, -1, 3)),
        vertices_valid=_label(batch, 'hand_vertices_valid', (2,)) > 0,
        joints=_label(batch, 'hand_joints', (2, -1, 3)),
        joints_valid=_label(batch, 'hand_joints_valid', (2, -1)) > 0,
        joints_ndc=_label(batch, 'hand_joints_ndc', (2, -1, 2)),
        joints_ndc_valid=_label(batch, 'hand_joints_ndc_valid', (2, -1)) > 0,
        root_cam=_label(batch, 'hand_root_cam', (2, 3)),
        root_valid=_label(batch, 'hand_root_valid', (2,)) > 0,
        intrinsics=_label(batch, 'crop_intrinsics', (3, 3)),
        size=np.array([tuple(sample['input_size']) for sample in batch.samples]),
    )
    return gt, mesh_hands(gt)


def _mesh_values(
    batch: ImageBatch,
    stages: tuple[str, ...],
    gt: HandMeshGroundTruth,
    hands: MeshHands,
    allow_reflection: bool,
) -> dict[str, np.ndarray]:
    """Errors (B) by their names, the final mesh's first, then those of the stages."""
    shapes = (gt.vertices.shape[1:], gt.joints.shape[1:], (2, 2, 2))

    def read(stage: str) -> list[np.ndarray]:
        names = (f'{stage}_{name}' for name in MESH_FIELDS)
        return [_predicted(batch, *pair) for pair in zip(names, shapes)]

    meshes = [read(stage) for stage in stages]
    final = read('hand')
    # The final mesh is a stage's: it is not measured a second time.
    same = bool(meshes) and all(map(np.array_equal, final, meshes[-1]))
    meshes = meshes if same else [*meshes, final]
    pred = HandMeshPrediction(*zip(*meshes))
    errors = hand_mesh_errors(pred, gt, hands, allow_reflection)
    values = {name: error[-1] for name, error in errors.items()}
    moved = _moved_points(batch, stages, hands)
    for i, stage in enumerate(stages):
        for name, error in errors.items():
            values[f'{stage}/{name}'] = error[i]
            if name == 'MPVPE2D' and stage in moved:
                values[f'{stage}/{POINTS}'] = moved[stage]
    return values


def _moved_points(
    batch: ImageBatch, stages: tuple[str, ...], hands: MeshHands
) -> dict[str, np.ndarray]:
    """Errors (B) of u' by the stages that predict it, crop pixels."""
    fields = batch.samples[0]['pred_instances']
    keys = {s: f'{s}_points_ndc' for s in stages if f'{s}_points_ndc' in fields}
    if not keys:
        return {}
    shape = (2, hands.mesh.shape[-1], 2)
    points = [_predicted(batch, key, shape) for key in keys.values()]
    return dict(zip(keys, point_errors(points, hands, len(batch))))


def _without_empty(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics without the empty groups, which are named in one log line."""
    empty = [key for key, value in metrics.items() if np.isnan(value)]
    if empty:
        stage = re.compile(r'(coarse|stage\d+)/')
        names = ', '.join(key for key in empty if not stage.match(key))
        print_log(
            f'No image of this split has ground truth for: {names}', logger='current'
        )
    return {
        key: value
        for key, value in metrics.items()
        if key not in empty or key.endswith('_All')
    }
