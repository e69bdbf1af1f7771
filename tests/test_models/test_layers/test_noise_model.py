"""Draws against Eq. 2."""

import numpy as np
import torch
from scipy import stats

from mmhand_dne.models.layers.noise_model import NoiseDraws, draw_noise


def test_statistics_follow_equation_2():
    mean = torch.tensor([0.5, -2.0, 0.0]).view(1, 1, 1, 3, 1).double()
    gamma, delta, samples = 0.1, 0.01, 200_000
    normal = NoiseDraws(samples, np.array([5])).normal(0, mean)
    draw = draw_noise(mean.expand_as(normal), gamma, delta, normal).value[0, :, 0, :, 0]
    expected_std = gamma * mean.flatten().abs() + delta  # a standard deviation
    error = expected_std / samples**0.5
    assert ((draw.mean(0) - mean.flatten()).abs() < 5 * error).all()
    assert ((draw.std(0) / expected_std - 1).abs() < 5 / (2 * samples) ** 0.5).all()
    for column, m, s in zip(draw.T, mean.flatten(), expected_std):
        assert stats.kstest(((column - m) / s).numpy(), 'norm').pvalue > 1e-3


def test_density_equals_torch():
    mean = torch.randn(2, 3, 2, 7, 2, dtype=torch.float64)
    draw = draw_noise(mean, 0.2, 0.05, torch.randn_like(mean))
    expected = (
        torch.distributions.Normal(mean, 0.2 * mean.abs() + 0.05)
        .log_prob(draw.value)
        .sum((-1, -2))
    )
    torch.testing.assert_close(draw.log_density, expected)


def test_without_normal_noise_is_its_mean():
    mean = torch.randn(1, 1, 2, 5, 3)
    assert torch.equal(draw_noise(mean, 0.1, 0.01).value, mean)


def test_gradient_is_reparameterised():
    mean = torch.tensor([[[[[-2.0]]]]], dtype=torch.float64, requires_grad=True)
    normal = torch.full((1, 1, 1, 1, 1), 1.5, dtype=torch.float64)
    draw_noise(mean, 0.1, 0.01, normal).value.sum().backward()
    # d/dm [m + (0.1 |m| + 0.01) n] = 1 + 0.1 sign(m) n
    torch.testing.assert_close(mean.grad.item(), 1 - 0.15)


def test_stages_draw_differently():
    mean = torch.zeros(2, 1, 2, 50, 2)
    draws = NoiseDraws(2, np.array([1, 2]), num_stages=2)
    first, second = (draws.of_stage(n).normal(mean) for n in (0, 1))
    assert (first - second).abs().min() > 0
