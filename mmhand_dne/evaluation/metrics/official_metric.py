"""FreiHANDMetric and HO3DMetric: the scores of the official evaluations."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpose.registry import METRICS

from mmhand_dne.errors import UserError

from ..functional.official_scores import image_scores
from .absolute_hand import (
    AbsoluteHand,
    check_root,
    ground_truth_hand,
    joint_regressors,
    predicted_hand,
    to_official,
)
from .image_metric import ImageMetric
from .image_results import image_identity, image_name, sorted_once

# What a hand without a position scores: it is infinitely far off.
NOWHERE = {'mean3d': np.inf, 'auc3d': 0.0, 'f': 0.0}
RAW = ('xyz', 'mesh', 'f_score')  # beginnings of the scores before any alignment


class OfficialScoreMetric(ImageMetric):
    """Base of the metrics that are a data set's official script.

    Scores have the names, units (cm) and order of ``scores.txt``. The right hand is
    scored, absolute, joints and mesh apart; PA may mirror. One number per score and
    image is kept: the result does not depend on order, batches or the number of
        processes.

    A prediction is relative to its wrist; the scores without alignment need a position:
    ``root='predicted'`` takes the model's metric wrist (``hand_root_cam``);
    ``root='given'`` moves the hand so that its wrist is the annotated one, as is usual
    where the evaluation gives the wrist. Scores after alignment are the same. A hand
    whose predicted camera gives no position counts as infinitely far.

    A set without any ground truth (not downloaded) has no scores, which the log says,
    so that its predictions can be dumped and submitted.

    Args:
        root: 'predicted' or 'given'.
        hand_model: config of the hand; joints are then regressed from the predicted
            mesh with the data set's fingertips. None: the model's own joints.
        collect_device, prefix, collect_dir: as in ``BaseMetric``.
    """

    protocol: str
    tips: str
    counts: dict[str, int]  # images of the official evaluation, by version
    aligned: str  # score behind PA-MPJPE

    def __init__(
        self,
        root: str,
        hand_model: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ):
        check_root(type(self).__name__, root)
        super().__init__(collect_device, prefix, collect_dir)
        self.root = root
        self.regressor = None
        if hand_model is not None:
            self.regressor = joint_regressors(hand_model, self.tips)[0]

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the scores of a batch.

        Args:
            data_batch: not used.
            data_samples: dicts of data samples with gt_instance_labels, gt_instances
                and pred_instances.

        Raises:
            ValueError: a field is missing, of another shape or not finite; names the
                image.
        """
        for sample in data_samples:
            self.results.append(self._image_result(sample))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the collected images; keys as in the official ``scores.txt``.

        Raises:
            ValueError: some images lack their ground truth.
        """
        results, name = sorted_once(results), type(self).__name__
        scored = [result for result in results if result['values'] is not None]
        if not scored:
            print_log(
                f'{name}: no image of this split has all joints and the mesh of the '
                'right hand: no scores',
                'current',
            )
            return {}
        if len(scored) < len(results):
            image = next(r['image'] for r in results if r['values'] is None)
            lacking = len(results) - len(scored)
            raise UserError(
                f'image {image}: {name} needs all joints and the mesh of the right '
                f'hand, which {lacking} of {len(results)} images lack;'
                ' download the released evaluation ground truth again'
            )
        values = np.stack([result['values'] for result in results])
        scores = dict(zip(results[0]['names'], values.mean(0).tolist(), strict=True))
        self._report(scores, values)
        return scores

    def _image_result(self, sample: dict) -> dict:
        name, image = type(self).__name__, image_name(sample)
        order, gt = (
            image_identity(sample, image),
            ground_truth_hand(sample, image, name),
        )
        if gt is None:
            return dict(order=order, image=image, values=None)
        pred = predicted_hand(sample, image, name, self.root, self.regressor)
        if pred.vertices.shape != gt.vertices.shape:
            raise UserError(
                f'image {image}: the predicted mesh has {len(pred.vertices)} vertices, '
                f'the true one {len(gt.vertices)}; predict with the hand model that '
                'made the ground truth'
            )
        nowhere = not np.isfinite(pred.joints).all()
        if nowhere:
            relative = dict(sample['pred_instances'], hand_root_cam=np.zeros((1, 2, 3)))
            sample = dict(sample, pred_instances=relative)
            pred = predicted_hand(sample, image, name, self.root, self.regressor)
        scores = image_scores(self._official(pred), self._official(gt), self.protocol)
        if nowhere:
            scores.update(_without_position(scores))
        return dict(
            order=order,
            names=tuple(scores),
            values=np.concatenate(list(scores.values())),
        )

    def _official(self, hand: AbsoluteHand) -> tuple[np.ndarray, np.ndarray]:
        """Joints (1, 21, 3) and vertices (1, V, 3) as the script reads them."""
        return (
            to_official(hand.joints, self.protocol, joints=True)[None],
            to_official(hand.vertices, self.protocol, joints=False)[None],
        )

    def _report(self, scores: dict[str, float], values: np.ndarray) -> None:
        """The numbers that papers quote, and what makes them incomparable."""
        name = type(self).__name__
        print_log(
            f'{name}, {len(values)} images: '
            f'PA-MPJPE {10 * scores[self.aligned]:.2f} mm, '
            f'PA-MPVPE {10 * scores["mesh_al_mean3d"]:.2f} mm, '
            f'F@5 {scores["f_al_score_5"]:.3f}, F@15 {scores["f_al_score_15"]:.3f} '
            '(aligned, mirroring allowed)',
            'current',
        )
        if len(values) not in self.counts.values():
            official = ' or '.join(f'{n:,} ({v})' for v, n in self.counts.items())
            print_log(
                f'{name}: the official evaluation has {official} images; these scores '
                'are of another set',
                'current',
                logging.WARNING,
            )
        lost = np.isinf(values).any(1).sum()
        if lost:
            print_log(
                f'{name}: {lost} of {len(values)} images have a predicted camera whose '
                'scale is not positive; they count as infinitely far before alignment',
                'current',
                logging.WARNING,
            )


@METRICS.register_module()
class FreiHANDMetric(OfficialScoreMetric):
    """FreiHAND's official scores: ``freihand/xyz_al_mean3d`` and so on, in cm.

    A metric of its own rather than a part of :class:`HandMeshMetric`: another ground
    truth (the released joints, absolute), another alignment and other units, as MMPose
    has one metric per benchmark [decided]. Put it beside HandMeshMetric in the
    evaluator.

    FreiHAND's test set gives no wrist, so the raw scores are of the predicted position.
    Arguments: see :class:`OfficialScoreMetric`.
    """

    default_prefix = 'freihand'
    protocol, tips, aligned = 'freihand', 'freihand', 'xyz_al_mean3d'
    counts = dict(v2=3960)

    def __init__(self, root: str = 'predicted', **kwargs):
        super().__init__(root, **kwargs)


@METRICS.register_module()
class HO3DMetric(OfficialScoreMetric):
    """HO-3D's official scores: ``ho3d/xyz_procrustes_al_mean3d`` and so on, in cm.

    Beside the raw and the aligned ones ``xyz_scale_trans_al_*``: the true length from
    the wrist to the middle knuckle, on the true wrist. Why a metric of its own: see
    :class:`FreiHANDMetric`.

    HO-3D's evaluation gives the wrist of every image; predictions are put on it, as is
    usual. That wrist is exactly right here, so that it counts at the threshold 0 of
    ``xyz_auc3d``; in an exported submission float32 leaves 1e-8 m, and this one score
    may be lower by 0.5/99/21. Arguments: see :class:`OfficialScoreMetric`.
    """

    default_prefix = 'ho3d'
    protocol, tips, aligned = 'ho3d', 'ho3d', 'xyz_procrustes_al_mean3d'
    counts = dict(v2=11524, v3=20137)

    def __init__(self, root: str = 'given', **kwargs):
        super().__init__(root, **kwargs)


def _without_position(scores: dict) -> dict:
    """The scores before alignment of a hand that is nowhere."""
    found = {}
    for name in scores:
        stem, kind = name.rsplit('_', 1)
        if stem in RAW:
            found[name] = np.full(1, NOWHERE.get(kind, NOWHERE['f']))
    return found
