"""Choosing among samples: the tool's numbers against their definitions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.hand_state import HandOutputs
from mmhand_dne.structures.hand_targets import HandTargets
from tests.fake_samples import fake_samples
from tests.test_models.test_heads.test_dne_head import features, make_head, make_state
from tools.analysis_tools.rank_samples import main, rank, show, summary


def test_choices_are_between_random_and_oracle_as_defined(capsys):
    rng = np.random.default_rng(0)
    errors, learned = rng.uniform(20, 30, (5, 7)), rng.normal(size=(5, 7))
    density = -errors + rng.normal(size=errors.shape)
    found = dict(errors=errors, density=density, learned=learned)
    table = summary({name: torch.from_numpy(v) for name, v in found.items()})
    assert list(table) == ['random', 'density', 'learned', 'oracle']
    low, high = errors.min(1).mean(), errors.mean()
    assert table['random'] == pytest.approx(dict(error=high, share=0))
    assert table['oracle'] == pytest.approx(dict(error=low, share=1, rank=1))
    for name in ('density', 'learned'):
        rows = zip(errors, found[name])
        error = np.mean([row[score.argmax()] for row, score in rows])
        ranks = [stats.spearmanr(-e, s)[0] for e, s in zip(errors, found[name])]
        assert table[name]['error'] == pytest.approx(error)
        assert table[name]['rank'] == pytest.approx(np.mean(ranks))
        assert table[name]['share'] == pytest.approx((high - error) / (high - low))
    show(table, 5, 7)
    printed = capsys.readouterr().out
    assert '7 samples of each of 5 hands' in printed
    assert f'| oracle | {low:.3f} | 1.000 | 1.000 |' in printed


@pytest.mark.parametrize('kind', ['DensityConfidence', 'LearnedConfidence'])
def test_every_sample_of_every_hand_with_a_mesh_is_measured(kind):
    pair = HandPair()
    head = make_head(pair, num_stages=1, confidence=dict(type=kind))
    samples, coarse = fake_samples(2, 64), make_state(pair)
    samples[1].gt_instance_labels.hand_vertices_valid[0, 1] = 0
    model = SimpleNamespace(
        refine_head=head.eval(),
        data_preprocessor=lambda batch: batch,
        run_heads=lambda inputs: HandOutputs(None, None, head(inputs, coarse)),
        targets_of=HandTargets.from_samples,
    )
    batch = dict(inputs=features(), data_samples=samples)
    torch.manual_seed(0)
    found = rank(model, [batch], 6)
    torch.manual_seed(0)
    with torch.no_grad():
        stage = head.train()(features(), coarse)[0]
    valid = [
        (b, s)
        for b in range(2)
        for s in range(2)
        if samples[b].gt_instance_labels.hand_vertices_valid[0, s]
    ]
    assert found['errors'].shape == (len(valid), 6)
    for row, (b, s) in zip(found['errors'], valid):
        gt = samples[b].gt_instance_labels.hand_vertices[0, s].numpy()
        for r in range(6):
            apart = stage.sample_vertices[b, r, s].numpy() - gt
            error = 1000 * np.linalg.norm(apart, axis=-1).mean()
            assert row[r].item() == pytest.approx(error, rel=1e-4)
    own = stage.confidence.transpose(1, 2)
    name = 'learned' if kind == 'LearnedConfidence' else 'density'
    assert torch.equal(found[name], torch.stack([own[b, s] for b, s in valid]))
    assert ('learned' in found) == (name == 'learned')


def test_one_sample_has_no_order():
    with pytest.raises(ValueError, match='nothing to rank; give 2 or more'):
        main(['no_config.py', 'no.pth', '--samples', '1'])
