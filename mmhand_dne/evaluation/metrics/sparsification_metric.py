"""SparsificationMetric: whether predicted error bars tell the errors apart."""

import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger, print_log
from mmpose.registry import METRICS

from mmhand_dne.conventions import (
    FINGER_JOINTS,
    MILLIMETRES,
    NUM_JOINTS,
    OPENGL_AXES,
    WRIST,
)
from mmhand_dne.errors import UserError
from mmhand_dne.gaussian import calibration
from mmhand_dne.gaussian.wrist import without_wrist

from .image_metric import ImageMetric
from .image_results import (
    image_identity,
    image_name,
    read_field,
    sorted_once,
)
from .sparsification_report import released_report, standard_report, write_report

MODES = ('standard', 'released')
# Signs of the released mode's ground truth, which the authors read as files have it.
AXES = {'camera': np.ones(3), 'opengl': OPENGL_AXES}
NOTHING_SEEN = calibration.HandCalibration(
    nll=0.0,
    coordinates=0,
    level=calibration.NO_LEVEL,
    joint_nll=np.full(NUM_JOINTS - 1, np.nan),
    joint_level=np.full(NUM_JOINTS - 1, calibration.NO_LEVEL, np.uint8),
)
DEFAULT_FOLDER = 'sparsification'


@METRICS.register_module()
class SparsificationMetric(ImageMetric):
    """Sparsification, correlation and calibration of a covariance over joints.

    ``mode='standard'``: root-aligned errors in mm, all pairs (image, valid joint other
    than the wrist) pooled. ``AUSC``, ``AUSE``, ``AUSC_oracle`` in mm; ``Pearson`` of
    error and variance, ``Pearson_1_99`` and ``Pearson_5_95`` with the variance clipped
    to these percentiles, ``Spearman``; ``NLL``, nats per coordinate in metres, with
    0.5 log 2 pi, hidden joints integrated out; ``coverage_50/90/95``, the share of
    joints inside their ellipsoid of that probability, and ``coverage_hand_50/90/95`` of
    whole hands; ``sharpness``, the mean predicted standard deviation of a joint (square
    root of its trace) in mm. A covariance over all 21 joints is mapped to the 20
    relative to the wrist.

    ``mode='released'``: the authors' script, for comparing with the paper's tables
    only. Errors are camera-space ground truth against the prediction in the MANO frame,
    metres times ten; all 21 joints count for the areas, joints 1 to 20 for Pearson.
    Keys begin with ``released/`` unless a prefix is given. The authors read ground
    truth in its file's axes, which on HO-3D are OpenGL's, though predictions are in the
    camera's: ``axes='opengl'`` turns it back to compare with their table of HO-3D.

    Files go to ``out_dir``: curves (model, oracle, random) as CSV and PNG, the
    histogram of error against uncertainty, and in ``standard`` the scores of each joint
    and the reliability curve. ``tools/analysis_tools/plot_sparsification.py`` overlays
    runs.

    An image keeps two float32 per joint (error, variance), in ``standard`` also its
    marginal NLL, one byte for its level, and three numbers per hand. Images are sorted
    by
    dataset index and counted once: the numbers are the same for any number of
    processes. Predictions in float64 are kept in float64.

    Args:
        mode: ``standard`` or ``released``.
        out_dir: folder of the files; a relative one is below the run's folder,
            ``work_dir/timestamp``. None is ``sparsification``, or no files where no run
            has a folder.
        axes: of the ground truth in ``released``: ``camera``, or ``opengl`` (HO-3D).
        per_joint: report ``<joint>/AUSE`` and so on besides the file (``standard``).
        collect_device, prefix, collect_dir: as in ``BaseMetric``.

    Raises:
        ValueError: unknown mode or axes; axes with ``standard``, which has none.
    """

    def __init__(
        self,
        mode: str = 'standard',
        out_dir: str | None = None,
        per_joint: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
        axes: str = 'camera',
    ):
        if mode not in MODES:
            raise UserError(
                f'unknown mode {mode!r} of SparsificationMetric; choose from {MODES}'
            )
        if axes not in AXES or (mode == 'standard' and axes != 'camera'):
            raise UserError(
                f'SparsificationMetric: axes={axes!r} with mode={mode!r}; set '
                "'camera', or 'opengl' with mode='released'"
            )
        if mode == 'released' and prefix is None:
            prefix = 'released'
        super().__init__(collect_device, prefix, collect_dir)
        self.mode, self.axes = mode, axes
        self.out_dir = out_dir
        self.per_joint = per_joint

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep errors, variances and levels of a batch.

        Args:
            data_batch: not used.
            data_samples: dicts of data samples with gt_instance_labels and
                pred_instances.

        Raises:
            ValueError: the model predicts no covariance; a field is missing, of another
                shape or not finite; a covariance is not positive definite.
        """
        for sample in data_samples:
            image = image_name(sample)
            if self.mode == 'released':
                record = _released_image(sample, image, AXES[self.axes])
            else:
                record = _standard_image(sample, image)
            dtype = _kept_dtype(sample)
            for name in ('error', 'variance', 'joint_nll'):
                if name in record:
                    record[name] = record[name].astype(dtype)
            self.results.append(dict(order=image_identity(sample, image), **record))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Scores of the collected images; keys as in the class's docstring.

        Raises:
            ValueError: no image has a valid joint.
        """
        results = sorted_once(results)
        names = results[0].keys() - {'order'}
        stacked = {
            name: np.concatenate([result[name] for result in results]) for name in names
        }
        released = self.mode == 'released'
        report = (released_report if released else standard_report)(stacked)
        folder = self._folder()
        if folder is not None:
            write_report(report, folder)
            print_log(f'Sparsification ({self.mode}): files in {folder}', 'current')
        metrics = dict(report.scores)
        if self.per_joint:
            for joint, scores in report.joints.items():
                metrics.update({f'{joint}/{k}': v for k, v in scores.items()})
        return metrics

    def _folder(self) -> str | None:
        """Where files go; None without a run and an absolute ``out_dir``."""
        out_dir = DEFAULT_FOLDER if self.out_dir is None else self.out_dir
        if osp.isabs(out_dir):
            return out_dir
        log_file = MMLogger.get_current_instance().log_file
        if log_file is None:
            return None if self.out_dir is None else osp.abspath(out_dir)
        return osp.join(osp.dirname(osp.abspath(log_file)), out_dir)


def _standard_image(sample: dict, image: str) -> dict[str, np.ndarray]:
    """Per hand and joint 1 to 20: error mm, variance mm^2, NLL, level; NaN hidden."""
    gt, pred = sample.get('gt_instance_labels', {}), _predictions(sample, image)
    joints = _read(pred, 'hand_joints', (2, NUM_JOINTS, 3), image)
    covariance = _covariance(pred, image)
    covariance = np.stack([without_wrist(hand) for hand in covariance])
    gt_joints = _read(gt, 'hand_joints', (2, NUM_JOINTS, 3), image)
    valid = _read(gt, 'hand_joints_valid', (2, NUM_JOINTS), image) > 0
    residual = gt_joints - (joints - joints[:, WRIST : WRIST + 1])
    residual, valid = residual[:, FINGER_JOINTS], valid[:, FINGER_JOINTS]
    variance = np.stack([calibration.joint_variances(hand) for hand in covariance])
    hands = [
        _calibrate(*hand, image)
        for hand in zip(residual, covariance, valid, strict=True)
    ]
    nll, coordinates, level, joint_nll, joint_level = zip(*hands, strict=True)
    error = MILLIMETRES * np.linalg.norm(residual, axis=-1)
    return dict(
        error=np.where(valid, error, np.nan),
        variance=np.where(valid, MILLIMETRES**2 * variance, np.nan),
        joint_nll=np.stack(joint_nll),
        joint_level=np.stack(joint_level),
        nll=np.array(nll),
        coordinates=np.array(coordinates),
        level=np.array(level, np.uint8),
    )


def _calibrate(
    residual: np.ndarray, covariance: np.ndarray, visible: np.ndarray, image: str
) -> calibration.HandCalibration:
    """:func:`calibration.calibrate_hand`, whose errors then name the image."""
    if not visible.any():
        return NOTHING_SEEN
    try:
        return calibration.calibrate_hand(residual, covariance, visible)
    except ValueError as error:
        raise UserError(f'image {image}: {error}') from None


def _released_image(
    sample: dict, image: str, axes: np.ndarray
) -> dict[str, np.ndarray]:
    """Per hand and joint 0 to 20: unaligned error m, variance m^2; NaN hidden.

    ``axes`` (3) are the signs that take the ground truth from the camera to its file.
    """
    gt, pred = sample.get('gt_instance_labels', {}), _predictions(sample, image)
    covariance = _covariance(pred, image)
    if covariance.shape[-1] != 3 * NUM_JOINTS:
        raise UserError(
            f'image {image}: mode released needs a covariance over all {NUM_JOINTS} '
            f'joints, found {covariance.shape[-1]} coordinates; train the '
            "uncertainty_head with aligned=False or use mode 'standard'"
        )
    joints = _read(pred, 'hand_joints', (2, NUM_JOINTS, 3), image)
    joints = joints + _read(pred, 'hand_root', (2, 3), image)[:, None]
    root = _read(gt, 'hand_root_cam', (2, 3), image)
    root_valid = _read(gt, 'hand_root_valid', (2,), image) > 0
    gt_joints = _read(gt, 'hand_joints', (2, NUM_JOINTS, 3), image)
    valid = _read(gt, 'hand_joints_valid', (2, NUM_JOINTS), image) > 0
    valid &= root_valid[:, None]
    error = np.linalg.norm(axes * (gt_joints + root[:, None]) - joints, axis=-1)
    variance = np.stack([calibration.joint_variances(hand) for hand in covariance])
    return dict(
        error=np.where(valid, error, np.nan),
        variance=np.where(valid, variance, np.nan),
    )


def _predictions(sample: dict, image: str) -> dict:
    fields = sample.get('pred_instances')
    if not fields:
        raise UserError(
            f'image {image}: no prediction; run the model before the metric'
        )
    return fields


def _covariance(fields: dict, image: str) -> np.ndarray:
    """(2, d, d) m^2 of both slots, d = 60 (wrist-relative) or 63."""
    if not torch.as_tensor(fields.get('hand_joint_covariance', 0)).any():
        raise UserError(
            f"image {image}: 'hand_joint_covariance' is missing or zero, the model is "
            "deterministic; give it uncertainty_head=dict(type='JointUncertaintyHead', "
            '...) or leave SparsificationMetric out of the evaluator'
        )
    found = _read(fields, 'hand_joint_covariance', (2, -1, -1), image)
    sizes = (3 * (NUM_JOINTS - 1), 3 * NUM_JOINTS)
    if found.shape[1] != found.shape[2] or found.shape[1] not in sizes:
        raise UserError(
            f"image {image}: 'hand_joint_covariance' is {found.shape[1]} x "
            f'{found.shape[2]}, expected {sizes[0]} (without the wrist) or {sizes[1]} '
            'rows and columns; predict the 21 joints of a hand in three dimensions'
        )
    return found


def _read(fields: dict, key: str, shape: tuple, image: str) -> np.ndarray:
    return read_field(fields, key, shape, image, 'SparsificationMetric').numpy()


def _kept_dtype(sample: dict) -> type:
    dtype = torch.as_tensor(sample['pred_instances']['hand_joints']).dtype
    return np.float64 if dtype == torch.float64 else np.float32
