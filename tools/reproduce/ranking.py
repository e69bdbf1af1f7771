"""Why the covariances rank joints as they do, told from finished runs.

A table of the rows with error bars, means over the seeds: Spearman's correlation of a
joint's error with three numbers that may rank it, over all pairs (image, joint) and, as
the mean over joints, over the images of one joint; and what the covariances are like:

- marginal: trace of the joint's own block, what SparsificationMetric ranks by;
- conditional: trace of the block given all other joints of the hand;
- own z: what the joint's own coordinates of z add to its block (W is there only);
- spread: standard deviation over images of the log of a joint's variance;
- z in a joint: how many coordinates of z make a coordinate's variance, exp of the
  entropy of their shares;
- correlation: mean absolute correlation of coordinates of different joints;
- condition: of W, largest by smallest singular value.

Files ``tables/ranking.md`` and ``.json`` below the runs' folder. Nothing is trained.

Example:
    python tools/reproduce/ranking.py --seeds 0 1 2
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.run_flags import parse_run_flags


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parse_run_flags(parser, argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.structures import PoseDataSample
from scipy.stats import spearmanr

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.conventions import FINGER_JOINTS, MILLIMETRES
from tools.reproduce.predictions import (
    Predictions,
    annotated_slot,
    between_joints,
    describe_runs,
    field,
    joint_gap,
    write_cause,
)
from tools.reproduce.report import head, line, spread
from tools.reproduce.rows import ROWS, TABLES
from tools.reproduce.runs import Runs

SHOWN = TABLES['covariances'].rows[1:]  # the first has no error bars
COLUMNS = {
    'marginal': 'marginal',
    'marginal_of_joint': 'marginal, a joint',
    'conditional': 'conditional',
    'conditional_of_joint': 'conditional, a joint',
    'own': 'own z',
    'own_of_joint': 'own z, a joint',
    'spread': 'spread',
    'sources': 'z in a joint',
    'correlation': 'correlation',
    'condition': 'condition of W',
}


class Hands(NamedTuple):
    """What a model says of N hands, and W where it has one.

    Attributes:
        error: (N, 20) mm of the joints besides the wrist; NaN where not annotated.
        covariance: (N, 60, 60) mm^2.
        mixing: (60, 60) or None.
        apart: W does not mix the covariance's own coordinates: the scales are behind
            it, or it is in the axes of each hand.
    """

    error: np.ndarray
    covariance: np.ndarray
    mixing: np.ndarray | None
    apart: bool


def hands_of(found: Predictions) -> Hands:
    """What a finished run says of the test crops."""
    errors, covariances = zip(*map(hand_of, found), strict=True)
    head = found.model.uncertainty_head
    part = head.covariance
    mixing = part.mixing().numpy() if getattr(part, 'linear', False) else None
    apart = getattr(part, 'apart', False) or head.in_hand
    return Hands(np.stack(errors), np.stack(covariances), mixing, apart)


def hand_of(sample: PoseDataSample) -> tuple[np.ndarray, np.ndarray]:
    """Errors (20) in mm and covariance (60, 60) in mm^2 of the annotated hand."""
    gt, pred = sample.gt_instance_labels, sample.pred_instances
    slot = annotated_slot(sample)
    error = MILLIMETRES * np.linalg.norm(joint_gap(sample, slot), axis=-1)
    error[field(gt, 'hand_joints_valid', slot) == 0] = np.nan
    covariance = MILLIMETRES**2 * field(pred, 'hand_joint_covariance', slot)
    return error[FINGER_JOINTS], covariance


def describe(hands: Hands) -> dict[str, float]:
    """Numbers of COLUMNS."""
    blocks = traces(np.diagonal(hands.covariance, axis1=1, axis2=2))
    found = ranked('marginal', hands.error, blocks)
    found |= ranked('conditional', hands.error, conditional(hands.covariance))
    found['spread'] = float(np.log(blocks).std(0).mean())
    std = np.sqrt(np.diagonal(hands.covariance, axis1=1, axis2=2))
    correlation = np.abs(hands.covariance / (std[:, :, None] * std[:, None, :]))
    found['correlation'] = between_joints(correlation)
    if hands.mixing is not None:
        found['condition'] = float(np.linalg.cond(hands.mixing.astype(np.float64)))
    if hands.mixing is not None and not hands.apart:
        parts = contributions(hands)
        own = np.diagonal(parts, axis1=1, axis2=2)
        found |= ranked('own', hands.error, traces(own))
        shares = parts / parts.sum(-1, keepdims=True)
        entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(-1)
        found['sources'] = float(np.exp(entropy).mean())
    return found


def traces(variances: np.ndarray) -> np.ndarray:
    """(N, 60) of coordinates to (N, 20) of joints."""
    return variances.reshape(len(variances), -1, 3).sum(-1)


def conditional(covariance: np.ndarray) -> np.ndarray:
    """(N, 20) trace of each joint's block of the covariance given all other joints."""
    precision = np.linalg.inv(covariance)
    count = precision.shape[1] // 3
    each = np.arange(count)
    blocks = precision.reshape(-1, count, 3, count, 3)[:, each, :, each]
    return np.trace(np.linalg.inv(blocks), axis1=2, axis2=3).T


def contributions(hands: Hands) -> np.ndarray:
    """(N, 60, 60) W_jk^2 sigma_k^2, what z's coordinate k adds to j's variance."""
    inverse = np.linalg.inv(hands.mixing.astype(np.float64))
    latent = (inverse @ hands.covariance * inverse).sum(-1)
    return hands.mixing.astype(np.float64) ** 2 * latent[:, None, :]


def ranked(name: str, error: np.ndarray, by: np.ndarray) -> dict[str, float]:
    """Spearman of error and ``by`` over all joints, and the mean over joints."""
    seen = np.isfinite(error)
    of_joint = [
        spearmanr(error[seen[:, k], k], by[seen[:, k], k])[0]
        for k in range(error.shape[1])
    ]
    return {
        name: float(spearmanr(error[seen], by[seen])[0]),
        f'{name}_of_joint': float(np.mean(of_joint)),
    }


def markdown(found: dict[str, dict[int, dict[str, float]]]) -> str:
    """The table; a row each of the models with error bars."""
    told = "Spearman's correlation of error and what ranks it, and what they are like"
    lines = [
        '### How the covariances rank joints',
        '',
        f'{told} (`tools/reproduce/ranking.py`):',
        '',
        *head(['', *COLUMNS.values(), 'seeds']),
    ]
    for row, seeds in found.items():
        cells = [
            spread([one[name] for one in seeds.values() if name in one], 3)
            for name in COLUMNS
        ]
        lines.append(line([ROWS[row].title, *cells, str(len(seeds))]))
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> None:
    """Predict with each finished run, print and write the table."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        runs = Runs(args)
        found = describe_runs(
            runs, SHOWN, args.seeds, lambda one: describe(hands_of(one))
        )
    write_cause(runs, 'ranking', markdown(found), found)


if __name__ == '__main__':
    main()
