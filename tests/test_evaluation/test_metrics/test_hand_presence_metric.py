"""Stated presence against hands that are there, by other libraries and by hand."""

import itertools

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpose.registry import METRICS

from mmhand_dne.errors import UserError
from mmhand_dne.evaluation import HandPresenceMetric
from mmhand_dne.evaluation.metrics.hand_presence_metric import reliability, roc_area
from tests.oracles.hand_samples import batches, random_sample
from tests.oracles.ranks import evaluate_share, run_ranks

COUNT = 61  # odd: the sampler repeats one image


def sample_of(index, stated=None, truth=None, known=None):
    """A random sample, with its presences replaced where they are given."""
    sample = random_sample(index)
    rng = np.random.default_rng([7, index])
    labels, found = sample.gt_instance_labels, sample.pred_instances
    truth = truth if truth is not None else rng.random(2) < 0.4
    known = known if known is not None else rng.random(2) < 0.9
    labels.hand_presence = torch.from_numpy(np.float32([truth]))
    labels.hand_presence_valid = torch.from_numpy(np.float32([known]))
    if stated is not None:
        found.hand_presence = torch.tensor([stated])
    return sample


def evaluate(samples, **kwargs):
    evaluator = Evaluator(HandPresenceMetric(**kwargs))
    for batch in batches(samples):
        evaluator.process(batch)
    return evaluator.evaluate(len(samples))


def test_three_images_by_hand():
    both = (1, 1)
    found = evaluate(
        [
            sample_of(0, (0.9, 0.2), (1, 0), both),  # right
            sample_of(1, (0.7, 0.1), (0, 0), both),  # a hand that is not there
            sample_of(2, (0.3, 0.4), (0, 1), both),  # missed
        ]
    )
    assert found['presence_acc'] == pytest.approx(1 / 3)
    assert found['false_hands'] == 1 and found['missed_hands'] == 0.5
    # Each bin holds one hand: the distances are its own.
    distances = 0.1, 0.2, 0.7, 0.1, 0.3, 0.6
    assert found['ECE'] == pytest.approx(np.mean(distances), abs=1e-6)
    assert found['AUC'] == pytest.approx(1 / 2)  # 0.9 above 0.7, 0.4 below


def test_the_threshold_is_where_hands_begin():
    samples = [sample_of(0, (0.6, 0.1), (0, 0), (1, 1))]
    assert evaluate(samples)['false_hands'] == 1
    found = evaluate(samples, threshold=0.7)
    assert found['false_hands'] == 0 and found['presence_acc'] == 1


def test_perfect_and_useless_presence():
    rng = np.random.default_rng(0)
    stated = rng.random(200_000)
    there = rng.random(len(stated)) < stated
    rows = reliability(stated, there)
    assert [count for _, count, _ in rows] == pytest.approx([20_000] * 10, rel=0.05)
    assert max(abs(mean - share) for mean, _, share in rows) < 0.015  # 4 sigmas
    assert roc_area(rng.random(50_000), rng.random(50_000) < 0.3) == pytest.approx(
        0.5, abs=0.012
    )


def test_the_area_counts_pairs_as_its_definition_does():
    rng = np.random.default_rng(1)
    scores, positive = rng.integers(0, 9, 70) / 8, rng.random(70) < 0.4
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high, low in itertools.product(scores[positive], scores[~positive])
    ]
    assert roc_area(scores, positive) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_hands_of_which_nothing_is_known_do_not_count():
    known = [sample_of(i, known=(1, 1)) for i in range(20)]
    half = [sample_of(i, known=(1, 0)) for i in range(20, 40)]
    none = [sample_of(i, known=(0, 0)) for i in range(40, 60)]
    whole, mixed = evaluate(known), evaluate(known + half + none)
    for name in ('false_hands', 'missed_hands', 'AUC'):
        assert whole[name] == mixed[name]
    assert evaluate(known + half)['presence_acc'] == mixed['presence_acc']
    assert all(np.isnan(value) for value in evaluate(none).values())


def test_ranks_find_what_one_process_finds(tmp_path):
    expected = evaluate([sample_of(i) for i in range(COUNT)])
    path = str(tmp_path / 'metrics')
    run_ranks(evaluate_share, 2, HandPresenceMetric(), sample_of, COUNT, path)
    for rank in range(2):
        found = torch.load(tmp_path / f'metrics.{rank}', weights_only=True)
        assert found == [expected, expected]  # in order, shuffled


def test_it_is_registered_and_refuses_what_is_no_probability():
    assert METRICS.get('HandPresenceMetric') is HandPresenceMetric
    with pytest.raises(UserError, match='threshold=1.2'):
        HandPresenceMetric(threshold=1.2)


def test_a_model_without_presence_is_named():
    sample = sample_of(3)
    del sample.pred_instances.hand_presence
    with pytest.raises(UserError, match="image 1003: 'hand_presence' is missing"):
        evaluate([sample])
