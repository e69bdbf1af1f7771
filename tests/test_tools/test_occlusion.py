"""What occlusion.py says of crops where something hides the hand."""

import json

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from mmhand_dne.datasets.readers.feature_cache import FeatureCacheWriter
from tests.cached_features import (
    SHAPES,
    VERTICES,
    random_levels,
    tagged_samples,
    write_cache,
)
from tests.finished_runs import save_run
from tools.reproduce import occlusion
from tools.reproduce.predictions import Predictions
from tools.reproduce.runs import Runs

TAGS = ([], ['occluded'], ['held'], ['occluded', 'blurred'], [], ['occluded'], [])


def write_tagged(folder):
    """A cache of crops with TAGS."""
    samples = tagged_samples(len(TAGS), seed=4)
    for sample, tags in zip(samples, TAGS):
        sample.set_metainfo(dict(hard=tags))
    writer = FeatureCacheWriter(
        folder, dict(seed=4), len(TAGS), tuple(SHAPES), VERTICES
    )
    writer.append(random_levels(len(TAGS), seed=4), samples)


def test_correlation_is_of_coordinates_of_different_joints():
    draw = np.random.default_rng(0)
    common = draw.normal(size=(4000, 1))
    assert occlusion.correlation_across(common * [1, 2, -3, 4, 5, 6]) == pytest.approx(
        1
    )
    # Inside a joint all is the same, between joints there is nothing.
    apart = np.repeat(draw.normal(size=(4000, 4)), 3, axis=1)
    assert occlusion.correlation_across(apart) < 0.05
    half = apart + common
    assert occlusion.correlation_across(half) == pytest.approx(0.5, abs=0.05)


def test_a_finished_run_is_scored_on_occluded_and_on_clear_crops(tmp_path, capsys):
    cache, out = tmp_path / 'cache', tmp_path / 'out'
    write_cache(cache / 'train', 3, seed=4)
    write_tagged(cache / 'test')
    args = ['--cache', str(cache), '--out', str(out), '--seeds', '0']
    with pytest.raises(SystemExit):
        occlusion.main(args)
    assert 'nothing is finished' in capsys.readouterr().err
    runs = Runs(occlusion.parse_args(args))
    for row in ('diagonal', 'correlated'):
        save_run(runs, row, dict(NLL=-1.0), vary)
    occlusion.main(args)
    told = json.loads((out / 'tables/occlusion.json').read_text())
    text = (out / 'tables/occlusion.md').read_text()
    assert 'Against "diagonal"' in text and '| correlated (ours) |' in text
    wanted = {'occluded': [1, 3, 5], 'clear': [0, 4, 6]}
    for row in told:
        found = list(Predictions(runs, row, 0))
        assert told[row]['0'].keys() == occlusion.METRICS.keys()
        for part, chosen in wanted.items():
            mean = np.mean([nll_of(found[i]) for i in chosen])
            assert told[row]['0'][f'{part}/NLL'] == pytest.approx(mean, rel=1e-4)


def test_a_benchmark_without_occluded_crops_is_named(tmp_path, capsys):
    cache, out = tmp_path / 'cache', tmp_path / 'out'
    for split in ('train', 'test'):
        write_cache(cache / split, 3, seed=4)  # hard ones are "held"
    args = ['--cache', str(cache), '--out', str(out), '--seeds', '0']
    save_run(Runs(occlusion.parse_args(args)), 'diagonal', dict(NLL=-1.0))
    with pytest.raises(SystemExit):
        occlusion.main(args)
    assert 'fewer than two test crops are occluded' in capsys.readouterr().err


def nll_of(sample):
    """Nats a coordinate of the hand's 20 joints, by torch's own density."""
    pred, slot = sample.pred_instances, occlusion.annotated_slot(sample)
    covariance = torch.as_tensor(np.asarray(pred.hand_joint_covariance)[0, slot])
    gap = torch.from_numpy(occlusion.residual(sample))
    density = MultivariateNormal(torch.zeros(60).double(), covariance.double())
    return -float(density.log_prob(gap)) / 60


def vary(model):
    """Variances that differ between images, of metres."""
    part = model.uncertainty_head.covariance
    torch.nn.init.normal_(part.fc_log_var.weight, std=0.1)
    torch.nn.init.constant_(part.fc_log_var.bias, -4.0)
