"""JointGaussian against torch's own multivariate normal and the textbook formulas."""

import pytest
import torch

from mmhand_dne.gaussian.joint_gaussian import JointGaussian

D = 12


def make(batch=(3,), seed=0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    root = torch.randn(*batch, D, D, generator=draw, dtype=dtype)
    mean = torch.randn(*batch, D, generator=draw, dtype=dtype)
    return JointGaussian(mean, root + 2 * torch.eye(D, dtype=dtype))


def oracle(hand, coordinates=slice(None)):
    covariance = hand.covariance()[..., coordinates, :][..., coordinates]
    return torch.distributions.MultivariateNormal(
        hand.mean[..., coordinates], covariance
    )


def test_log_prob_is_the_multivariate_normals():
    hand = make()
    value = hand.mean + torch.linspace(-1, 1, D)
    torch.testing.assert_close(
        hand.log_prob(value), oracle(hand).log_prob(value), rtol=1e-10, atol=1e-10
    )
    as_joints = value.unflatten(-1, (4, 3))
    assert torch.equal(hand.log_prob(as_joints), hand.log_prob(value))


def test_log_prob_of_visible_joints_is_their_sub_blocks():
    hand = make()
    visible = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]])
    value = hand.mean + torch.linspace(-1, 1, D)
    value[0, 3:6] = torch.nan  # hidden
    found = hand.log_prob(value, visible)
    for i, shown in enumerate(visible.repeat_interleave(3, -1).bool()):
        alone = JointGaussian(hand.mean[i], hand.root[i])
        expected = oracle(alone, shown).log_prob(value[i, shown])
        torch.testing.assert_close(found[i], expected, rtol=1e-10, atol=1e-10)


def test_standard_deviations():
    hand = make()
    diagonal = hand.covariance().diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(hand.std(), diagonal.sqrt())
    torch.testing.assert_close(
        hand.joint_std()[:, 2],
        hand.covariance()[:, 6:9, 6:9].diagonal(dim1=-2, dim2=-1).sum(-1).sqrt(),
    )


def test_covariance_of_samples_within_its_standard_error():
    hand, count = make(()), 200_000
    draws = hand.sample(count, torch.Generator().manual_seed(1))
    found, wanted = torch.cov(draws.T), hand.covariance()
    variance = wanted.diagonal()
    error = ((wanted**2 + variance[:, None] * variance) / count).sqrt()
    deviations = ((found - wanted) / error).abs()
    assert deviations.max() < 4.5 and deviations.mean() < 1.2
    off = (draws.mean(0) - hand.mean) / (variance / count).sqrt()
    assert off.abs().max() < 4


def test_samples_follow_the_generator():
    hand = make()
    again = [hand.sample(2, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*again)
    assert not torch.equal(again[0], hand.sample(2, torch.Generator().manual_seed(4)))


def test_marginal_is_the_sub_block_in_the_order_given():
    hand = make()
    rows = [9, 10, 11, 0, 1, 2]
    part = hand.marginal([3, 0])
    torch.testing.assert_close(part.mean, hand.mean[:, rows])
    torch.testing.assert_close(
        part.covariance(), hand.covariance()[:, rows][:, :, rows]
    )


def test_conditional_is_the_schur_complement():
    hand = make()
    known, rest = [3, 4, 5, 9, 10, 11], [0, 1, 2, 6, 7, 8]
    values = torch.randn(3, 2, 3, dtype=torch.float64)
    part = hand.conditional([1, 3], values)
    s = hand.covariance()
    gain = s[:, rest][:, :, known] @ torch.linalg.inv(s[:, known][:, :, known])
    shift = gain @ (values.flatten(-2) - hand.mean[:, known])[..., None]
    torch.testing.assert_close(part.mean, hand.mean[:, rest] + shift[..., 0])
    torch.testing.assert_close(
        part.covariance(), s[:, rest][:, :, rest] - gain @ s[:, known][:, :, rest]
    )


def test_joint_density_is_marginal_times_conditional():
    hand = make(dtype=torch.float32)
    value = hand.mean + 0.3
    given = hand.marginal([1]).log_prob(value[:, 3:6])
    rest = hand.conditional([1], value[:, 3:6]).log_prob(
        value[:, [0, 1, 2, *range(6, 12)]]
    )
    torch.testing.assert_close(given + rest, hand.log_prob(value), rtol=1e-5, atol=1e-4)


def test_from_covariance():
    hand = make()
    again = JointGaussian.from_covariance(hand.mean, hand.covariance())
    torch.testing.assert_close(again.covariance(), hand.covariance())


def test_gradients_of_the_log_density():
    hand = make(())
    visible = torch.tensor([1, 0, 1, 1])
    value = hand.mean + 0.5

    def density(mean, root):
        return JointGaussian(mean, root).log_prob(value, visible)

    inputs = [tensor.clone().requires_grad_() for tensor in hand[:2]]
    assert torch.autograd.gradcheck(density, inputs)


def test_indefinite_covariance_is_refused():
    with pytest.raises(ValueError, match='1 of 2 covariances are not positive'):
        JointGaussian.from_covariance(
            torch.zeros(2, 3), torch.stack([torch.eye(3), -torch.eye(3)])
        )


def test_point_mass_has_no_density_but_samples():
    point = JointGaussian(torch.ones(6), torch.zeros(6, 6))
    assert torch.equal(point.sample(2), torch.ones(2, 6))
    assert torch.equal(point.std(), torch.zeros(6))
    with pytest.raises(ValueError, match='not positive definite, so it has no density'):
        point.log_prob(torch.ones(6))


@pytest.mark.parametrize(
    'call, message',
    [
        (lambda hand: hand.marginal([4]), 'different indices below 4'),
        (lambda hand: hand.marginal([]), 'at least one'),
        (lambda hand: hand.marginal([1, 1]), 'different indices'),
        (lambda hand: hand.conditional(range(4), hand.mean), 'none is left'),
        (lambda hand: hand.log_prob(hand.mean[:, :6]), r'expected \(..., 12\)'),
        (lambda hand: hand.log_prob(hand.mean * torch.nan), 'not finite'),
        (
            lambda hand: hand.from_covariance(hand.mean, torch.eye(3)),
            'not fit the mean',
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(make())
