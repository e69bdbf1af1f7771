"""HandPresenceMetric: whether a stated presence of a hand can be believed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
from mmengine.logging import print_log
from mmpose.registry import METRICS

from mmhand_dne.errors import UserError

from ..functional.pose_errors import presence_correct
from .image_batch import ImageBatch
from .image_metric import ImageMetric
from .image_results import image_identity, sorted_once

BINS = 10  # of the reliability table, of equal width


@METRICS.register_module()
class HandPresenceMetric(ImageMetric):
    """How often presence is right, and how near it is to the share that is right.

    For a set in which some crops are known to show no hand
    (:class:`RandomHandFreeBox`); errors of meshes are :class:`HandMeshMetric`'s.
    ``presence_acc`` is the share of images whose known slots (right, left) are all on
    the right side of ``threshold``; ``false_hands`` the share of images without a hand
    in which one is found; ``missed_hands`` the share of images with hands in which
    none is found; ``AUC`` the area under the receiver operating characteristic of the
    larger of the two presences as a sign that the image shows a hand; ``ECE`` the
    expected calibration error of all known slots (Naeini et al. 2015; equal bins of
    the predicted presence): the mean distance between the presence that is stated and
    how often such a hand is there, 0 to 1. The table behind it is logged. A number
    without images behind it is NaN.

    Args:
        threshold: presence above which a hand is said to be there.
        collect_device, prefix, collect_dir: as in ``BaseMetric``.

    Raises:
        ValueError: the threshold is not between 0 and 1.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if not 0 < threshold < 1:
            raise UserError(
                f'HandPresenceMetric: threshold={threshold}; give a probability '
                'between 0 and 1'
            )
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep predicted and true presence of a batch; see :class:`HandMeshMetric`."""
        batch, name = ImageBatch(data_samples), type(self).__name__
        stated = batch.predictions('hand_presence', (2,), name).astype(np.float64)
        truth = batch.labels('hand_presence', (2,), name) > 0
        known = batch.labels('hand_presence_valid', (2,), name) > 0
        for i, image in enumerate(batch.images):
            self.results.append(
                dict(
                    order=image_identity(batch.samples[i], image),
                    stated=stated[i],
                    truth=truth[i],
                    known=known[i],
                )
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Numbers of the collected images; keys as in the class's docstring."""
        results = sorted_once(results)
        stated, truth, known = (
            np.stack([result[key] for result in results])
            for key in ('stated', 'truth', 'known')
        )
        rows = reliability(stated[known], truth[known])
        print_log(
            '\n'.join(['stated presence, hands, share that is there', *_lines(rows)]),
            logger='current',
        )
        whole = known.all(1)  # images of which it is known whether they show a hand
        shows, largest = truth[whole].any(1), stated[whole].max(1)
        found = largest > self.threshold
        shifted = stated + (0.5 - self.threshold)  # its threshold is one half
        right = presence_correct(shifted, truth, known)
        return {
            'presence_acc': _mean(right[~np.isnan(right)]),
            'false_hands': _mean(found[~shows]),
            'missed_hands': _mean(~found[shows]),
            'AUC': roc_area(largest, shows),
            'ECE': sum(n * abs(p - share) for p, n, share in rows) / known.sum()
            if known.any()
            else float('nan'),
        }


def reliability(stated: np.ndarray, truth: np.ndarray) -> list[tuple]:
    """(mean stated presence, hands, share that is there) of each bin that has any.

    Args:
        stated: (N) probabilities.
        truth: (N) bool.
    """
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    groups = [bins == i for i in range(BINS)]
    return [
        (stated[of].mean(), int(of.sum()), truth[of].mean())
        for of in groups
        if of.any()
    ]


def roc_area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the receiver operating characteristic, by ranks; ties count half.

    Args:
        scores: (N).
        positive: (N) bool.
    Returns: NaN where one of the kinds is missing.
    """
    many, few = positive.sum(), (~positive).sum()
    if not many or not few:
        return float('nan')
    ranks = scipy.stats.rankdata(scores)[positive].sum()
    return float((ranks - many * (many + 1) / 2) / (many * few))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float('nan')


def _lines(rows: list[tuple]) -> list[str]:
    return [f'{stated:.2f} {count:6d} {share:.2f}' for stated, count, share in rows]
