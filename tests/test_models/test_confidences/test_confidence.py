"""What a confidence chooses, what it learns from, and that it disturbs nothing else."""

import math

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.models.confidences import DensityConfidence, LearnedConfidence
from mmhand_dne.models.layers.dne_stage import StageSamples
from tests.gradients import wake
from tests.test_models.test_heads.test_dne_head import features, make_head, make_state

LEARNED = dict(type='LearnedConfidence', hidden_channels=8)
KEYS = torch.tensor([1, 2])


def targets_like(state, valid=((1, 1), (1, 0))):
    """Ground truth next to a state; the losses read these fields only."""

    class Targets:
        vertices = state.vertices + 0.003
        vertices_ndc = state.vertices[..., :2] * 8
        vertices_valid = torch.tensor(valid, dtype=torch.float32)
        joints = state.joints
        joints_ndc = state.joints[..., :2] * 8
        joints_valid = joints_ndc_valid = torch.ones(state.joints.shape[:-1])

    return Targets


def test_density_has_no_weights_and_is_the_default():
    """Checkpoints from before load as they are."""
    plain, named = make_head(), make_head(confidence=dict(type='DensityConfidence'))
    assert plain.state_dict().keys() == named.state_dict().keys()
    assert not [key for key in plain.state_dict() if 'confidence' in key]
    coarse = make_state(plain.hand_model)
    found, wanted = (
        head.train()(features(), coarse, KEYS)[-1] for head in (named, plain)
    )
    assert torch.equal(found.state.vertices, wanted.state.vertices)
    assert 'stage1.loss_confidence' not in plain.loss(
        plain(features(), coarse, KEYS), targets_like(coarse)
    )


def test_the_sample_of_the_highest_score_goes_on():
    head = make_head(num_stages=1, num_samples=5, confidence=LEARNED).train()
    stage = head(features(), make_state(head.hand_model), KEYS)[0]
    assert stage.confidence.shape == (2, 5, 2)
    best = stage.confidence.argmax(1)
    assert len(best.unique()) > 1  # else any choice would pass
    for b in range(2):
        for s in range(2):
            chosen = stage.sample_vertices[b, best[b, s], s]
            assert torch.equal(stage.state.vertices[b, s], chosen)


def test_a_learned_confidence_changes_no_sample_and_no_inference():
    plain, learned = make_head(live=False), make_head(live=False, confidence=LEARNED)
    learned.load_state_dict(plain.state_dict(), strict=False)
    for head in (plain, learned):
        torch.manual_seed(3)
        wake(head.stages[0].phi, std=0.3, names=('last',))
    wake(learned.stages[0].confidence, std=0.3, names=('last',))
    coarse = make_state(plain.hand_model)
    one, two = (h.train()(features(), coarse, KEYS)[0] for h in (plain, learned))
    assert torch.equal(one.sample_vertices, two.sample_vertices)
    one, two = (h.eval()(features(), coarse)[-1] for h in (plain, learned))
    assert torch.equal(one.state.vertices, two.state.vertices)


def test_its_loss_reaches_its_own_weights_only():
    head = make_head(confidence=LEARNED).train()
    coarse = make_state(head.hand_model)
    losses = head.loss(head(features(), coarse, KEYS), targets_like(coarse))
    total = losses['stage1.loss_confidence'] + losses['stage2.loss_confidence']
    total.backward()
    for name, parameter in head.named_parameters():
        learns = '.confidence.' in name
        moved = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert moved == learns, name


def test_the_loss_is_the_mean_over_pairs_of_valid_hands():
    draw = torch.Generator().manual_seed(0)
    score, error = torch.randn(2, 3, 4, 2, generator=draw)
    valid = torch.tensor([[1, 0], [0, 1], [0, 0.0]])
    found, count = 0.0, 0
    for b, s in ((0, 0), (1, 1)):
        for i in range(4):
            for j in range(i + 1, 4):
                if error[b, i, s] < error[b, j, s]:
                    ahead = score[b, i, s] - score[b, j, s]
                else:
                    ahead = score[b, j, s] - score[b, i, s]
                found += math.log1p(math.exp(-ahead))
                count += 1
    loss = LearnedConfidence(3, 5, loss_weight=2.0).loss(score, error, valid)
    assert loss.item() == pytest.approx(2 * found / count, rel=1e-5)


def random_samples(draw, hands=64, count=6, vertices=20):
    """Samples of which the truth lies where a feature of the vertex points."""
    shape = hands, count, 2, vertices
    noise = torch.randn(*shape, 5, generator=draw)
    seen = torch.randn(hands, 1, 2, vertices, 3, generator=draw)
    samples = StageSamples(
        vertices=0.01 * noise[..., 2:],
        cameras=torch.ones(hands, count, 2, 2, 2),
        points_ndc=0.1 * noise[..., :2],
        features=seen.expand(*shape, 3),
        mean_2d=torch.zeros(hands, 2, vertices, 2),
        mean_3d=torch.zeros(*shape, 3),
        log_density=-0.5 * noise.square().sum((-1, -2)),
        noise=noise,
    )
    return samples, (seen - noise[..., 2:]).norm(dim=-1).mean(-1)


def agreement(score, errors):
    """Share of pairs of samples that a score puts in the order of their errors."""
    i, j = torch.triu_indices(*2 * [errors.shape[1]], 1)
    same = (score[:, i] > score[:, j]) == (errors[:, i] < errors[:, j])
    return same.double().mean().item()


def test_it_learns_to_rank_where_the_features_say_how():
    draw = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    part = LearnedConfidence(3, 5, hidden_channels=32)
    unseen, errors = random_samples(draw)
    assert not part(unseen).any()  # untrained: no choice
    optimiser = torch.optim.Adam(part.parameters(), lr=1e-2)
    for _ in range(60):
        samples, target = random_samples(draw)
        loss = part.loss(part(samples), target, torch.ones(64, 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert agreement(part(unseen), errors) > 0.8
    assert 0.4 < agreement(DensityConfidence()(unseen), errors) < 0.75


def test_one_sample_is_not_ranked():
    with pytest.raises(ValueError, match='num_samples=1 leaves its confidence nothing'):
        make_head(num_samples=1, confidence=LEARNED)


@pytest.mark.parametrize(
    'switches', [dict(noise_3d=False), dict(noise_2d=False, camera='keep')]
)
def test_it_reads_what_noise_there_is(switches):
    head = make_head(confidence=LEARNED, **switches).train()
    coarse = make_state(head.hand_model)
    losses = head.loss(head(features(), coarse, KEYS), targets_like(coarse))
    assert losses['stage2.loss_confidence'] > 0


def test_registered_names():
    for name in ('DensityConfidence', 'LearnedConfidence'):
        assert MODELS.get(name).__name__ == name
