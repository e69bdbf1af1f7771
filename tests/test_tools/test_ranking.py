"""What ranking.py says of covariances: against definitions, and from a finished run."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.cached_features import write_cache
from tests.finished_runs import save_run
from tools.reproduce import publish, ranking
from tools.reproduce.predictions import Predictions
from tools.reproduce.runs import Runs


def hands(mixing=None, count=50, apart=False):
    """Hands whose joints err by their own standard deviations, of W diag s^2 W^T."""
    draw = np.random.default_rng(0)
    deviations = np.exp(draw.normal(size=(count, 60)))
    matrix = np.eye(60) if mixing is None else mixing
    root = matrix * deviations[:, None, :]
    covariance = root @ root.transpose(0, 2, 1)
    error = np.sqrt(ranking.traces(np.diagonal(covariance, axis1=1, axis2=2)))
    return ranking.Hands(error, covariance, mixing, apart)


def a_mixing():
    return np.eye(60) + 0.3 * np.random.default_rng(1).normal(size=(60, 60))


def test_a_conditional_variance_is_what_the_other_joints_leave_open():
    covariance = hands(a_mixing(), 3).covariance
    found = ranking.conditional(covariance)
    for n, matrix in enumerate(covariance):
        for k in range(20):
            own = np.isin(np.arange(60), [3 * k, 3 * k + 1, 3 * k + 2])
            across = matrix[own][:, ~own]
            left = across @ np.linalg.solve(matrix[~own][:, ~own], across.T)
            expected = np.trace(matrix[own][:, own] - left)
            assert found[n, k] == pytest.approx(expected, rel=1e-6)


def test_contributions_of_z_add_up_to_the_variances():
    mixed = hands(a_mixing())
    variances = np.diagonal(mixed.covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(ranking.contributions(mixed).sum(-1), variances)


def test_a_perfect_ranking_is_one_and_hidden_joints_do_not_count():
    perfect = hands()
    found = ranking.describe(perfect)
    assert found['marginal'] == pytest.approx(1)
    assert found['marginal_of_joint'] == pytest.approx(1)
    assert found['correlation'] == pytest.approx(0) and 'own' not in found
    wrong = perfect.error.copy()
    wrong[:10] = 1 / wrong[:10]
    hidden = np.where(wrong == perfect.error, wrong, np.nan)
    assert ranking.describe(perfect._replace(error=wrong))['marginal'] < 0.9
    found = ranking.describe(perfect._replace(error=hidden))
    assert found['marginal'] == pytest.approx(1)


def test_a_mixture_ranks_by_its_own_z_less_than_by_what_it_is():
    found = ranking.describe(hands(a_mixing()))
    assert found['marginal'] == pytest.approx(1)
    assert found['own'] < 0.95 and found['sources'] > 5
    plain = ranking.describe(hands(np.eye(60)))
    assert plain['sources'] == pytest.approx(1) and plain['own'] == pytest.approx(1)
    assert found['spread'] < plain['spread']  # a mean of many differs less
    apart = ranking.describe(hands(a_mixing(), apart=True))
    assert 'own' not in apart and 'sources' not in apart


def test_a_finished_run_is_told_and_published(tmp_path, capsys):
    cache, out = tmp_path / 'cache', tmp_path / 'out'
    for split in ('train', 'test'):
        write_cache(cache / split, 6, seed=4)
    args = ['--cache', str(cache), '--out', str(out), '--seeds', '0']
    with pytest.raises(SystemExit):
        ranking.main(args)  # nothing is finished
    runs = Runs(ranking.parse_args(args))
    for row in ('correlated', 'apart'):
        save_run(runs, row, dict(NLL=-1.0), mix)
    ranking.main(args)
    told = json.loads((out / 'tables/ranking.json').read_text())
    assert set(told) == {'correlated', 'apart'}
    assert set(told['correlated']['0']) == set(ranking.COLUMNS)
    singular = np.linalg.svd(a_mixing(), compute_uv=False)
    condition = told['apart']['0']['condition']
    assert condition == pytest.approx(singular[0] / singular[-1], rel=1e-3)
    text = (out / 'tables/ranking.md').read_text()
    assert '| correlated (ours) |' in text and '| correlated, variances apart |' in text
    publish.main([*args, '--to', str(tmp_path / 'to')])
    page = (tmp_path / 'to/results.md').read_text()
    assert '## How the covariances rank joints' in page
    # Of a run that has come since, the causes say nothing yet.
    save_run(runs, 'margins', dict(NLL=-1.0))
    publish.main([*args, '--to', str(tmp_path / 'to')])
    (out / 'tables/ranking.json').write_text('{"margins": {"0": {}, "1": {}}}')
    with pytest.raises(SystemExit):
        publish.main([*args, '--to', str(tmp_path / 'to')])
    assert 'tells of seeds 0 1' in capsys.readouterr().err
    samples = [ranking.hands_of(Predictions(runs, row, 0)) for row in told]
    for row, one in zip(told, samples):
        seen = np.isfinite(one.error)
        blocks = ranking.traces(np.diagonal(one.covariance, axis1=1, axis2=2))
        expected = spearmanr(one.error[seen], blocks[seen])[0]
        assert told[row]['0']['marginal'] == pytest.approx(expected)


def mix(model):
    """A W that mixes, and variances that differ."""
    part = model.uncertainty_head.covariance
    torch.nn.init.normal_(part.fc_log_var.weight)
    part.set_mixing(torch.tensor(a_mixing()).float())
