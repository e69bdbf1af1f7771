"""HandMeshMetric: mesh, joint, projection and root errors of two-hand predictions."""

import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpose.registry import METRICS
from torch import Tensor

from mmhand_dne.errors import UserError

from ..functional.pose_errors import (
    HandMeshGroundTruth,
    HandMeshPrediction,
    hand_mesh_errors,
    presence_correct,
    relative_root_error,
)
from .image_results import (
    hand_flags,
    image_identity,
    image_name,
    mean_of_finite,
    read_field,
    refuse_empty,
    sorted_once,
)
from .protocols import build_protocols

STAGE_FIELD = re.compile(r'(coarse|stage\d+)_vertices')
MESH_FIELDS = ('vertices', 'joints', 'camera')


@METRICS.register_module()
class HandMeshMetric(BaseMetric):
    """Errors of the refined mesh, of the coarse one and of every stage.

    ``MPJPE``, ``MPVPE``, ``PA-MPJPE``, ``PA-MPVPE`` in mm, ``MPVPE2D`` and ``MPJPE2D``
    in crop pixels, each with ``_SH``, ``_IH`` (by the true hand type) and ``_All``.
    Without prefix: the last stage; ``coarse/``, ``stage1/``, ... where predicted.
    ``MRRPE`` (mm, both wrists with ground truth) and ``presence_acc`` (share of images
    whose slots with ground truth are all on the right side of one half) are over all
    images.

    ``_All`` pools images, an image is the mean of its hands with ground truth, a hand
    the mean of its valid points [decided; the tables of DNE fit it]. A group without
    any ground truth is left out, but ``_All`` then is NaN, so that
    ``save_best='MPVPE_All'`` (with ``rule='less'``) works on a set without meshes: NaN
    is never the best.

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
        for sample in data_samples:
            self.results.append(self._image_result(sample))

    def evaluate(self, size: int) -> dict:
        """Metrics of the whole set, on every rank.

        Args:
            size: length of the set; not used, because cutting to it would rely on
                the sampler's order. Repeated images are recognised instead.

        Raises:
            ValueError: no rank processed an image.
        """
        refuse_empty('HandMeshMetric', self.results)
        return super().evaluate(sys.maxsize)

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

    def _image_result(self, sample: dict) -> dict:
        image = image_name(sample)
        gt, presence = _read_gt(sample, image)
        prefixes, meshes = _read_meshes(sample, image, gt)
        if 'input_size' not in sample:
            raise UserError(f'image {image}: no input_size; pack it as meta key')
        errors = hand_mesh_errors(
            meshes, gt, tuple(sample['input_size']), self.allow_reflection
        )
        values = {
            f'{prefix}{name}': error[i]
            for i, prefix in enumerate(prefixes)
            for name, error in errors.items()
        }
        values['MRRPE'] = _root_error(sample, image, gt)
        probability = _read(sample['pred_instances'], 'hand_presence', (2,), image)
        values['presence_acc'] = presence_correct(probability, *presence)
        if tuple(values) != self._names:
            self._names = tuple(values)  # one tuple for all images
        return dict(
            order=image_identity(sample, image),
            image=image,
            interacting=all(hand_flags(sample, image)),
            names=self._names,
            values=torch.stack(list(values.values())).numpy(),
            protocols=[protocol.read(sample, image) for protocol in self.protocols],
        )


def _read(
    fields: dict, key: str, shape: tuple, image: str, finite: bool = True
) -> Tensor:
    return read_field(fields, key, shape, image, 'HandMeshMetric', finite)


def _root_error(sample: dict, image: str, gt: HandMeshGroundTruth) -> Tensor:
    """MRRPE of an image, mm.

    Infinite where the camera's scale is not positive, so that a hand has no position;
    NaN stays the mark of missing ground truth.
    """
    root = _read(sample['pred_instances'], 'hand_root_cam', (2, 3), image, False)
    error = relative_root_error(root, gt.root_cam, gt.root_valid)
    nowhere = gt.root_valid.all() & ~torch.isfinite(root).all()
    return torch.where(nowhere, torch.inf, error)


def _read_gt(
    sample: dict, image: str
) -> tuple[HandMeshGroundTruth, tuple[Tensor, Tensor]]:
    """Mesh ground truth of an image, and its presence (2) with validity (2)."""
    labels = sample.get('gt_instance_labels', {})

    def read(key: str, *shape: int) -> Tensor:
        return _read(labels, key, shape, image)

    gt = HandMeshGroundTruth(
        vertices=read('hand_vertices', 2, -1, 3),
        vertices_valid=read('hand_vertices_valid', 2) > 0,
        joints=read('hand_joints', 2, -1, 3),
        joints_valid=read('hand_joints_valid', 2, -1) > 0,
        joints_ndc=read('hand_joints_ndc', 2, -1, 2),
        joints_ndc_valid=read('hand_joints_ndc_valid', 2, -1) > 0,
        root_cam=read('hand_root_cam', 2, 3),
        root_valid=read('hand_root_valid', 2) > 0,
        intrinsics=read('crop_intrinsics', 3, 3),
    )
    valid = read('hand_presence_valid', 2) > 0
    return gt, (read('hand_presence', 2), valid)


def _read_meshes(
    sample: dict, image: str, gt: HandMeshGroundTruth
) -> tuple[list[str], HandMeshPrediction]:
    """Key prefixes of the S predicted meshes, the last stage first, and the meshes.

    Returns: S prefixes ('', 'coarse/', 'stage1/', ...) and a prediction with leading
    dimension S.
    """
    fields = sample.get('pred_instances')
    if not fields:
        raise UserError(
            f'image {image}: no prediction; run the model before the metric'
        )
    stages = sorted(
        (match[1] for match in map(STAGE_FIELD.fullmatch, fields) if match),
        key=lambda stage: (len(stage), stage) if stage != 'coarse' else (0, ''),
    )
    shapes = (tuple(gt.vertices.shape), tuple(gt.joints.shape), (2, 2, 2))
    stacked = [
        torch.stack(
            [_read(fields, f'{s}_{name}', shape, image) for s in ('hand', *stages)]
        )
        for name, shape in zip(MESH_FIELDS, shapes, strict=True)
    ]
    return ['', *(f'{stage}/' for stage in stages)], HandMeshPrediction(*stacked)


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
