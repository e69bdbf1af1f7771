"""Batched damped least squares against SciPy's, problem by problem."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from mmhand_dne.geometry.least_squares import damped_least_squares

TIMES = torch.linspace(0, 3, 12).double()


def decay(parameters, data):
    """a exp(-b t) + c, minus data (B, 12), with its Jacobian."""
    a, b, c = parameters.T[..., None]
    fall = (-b * TIMES).exp()
    slope = torch.stack([fall, -a * TIMES * fall, torch.ones_like(fall)], -1)
    return a * fall + c - data, slope


def rosenbrock(parameters):
    x, y = parameters.T
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    residuals = torch.stack([10 * (y - x**2), 1 - x], -1)
    rows = [torch.stack([-20 * x, 10 * one], -1), torch.stack([-one, zero], -1)]
    return residuals, torch.stack(rows, 1)


def noisy_decays(count):
    draw = torch.Generator().manual_seed(0)
    true = torch.tensor([2.0, 1.0, 0.3]).double() * (
        0.5 + torch.rand(count, 3, generator=draw).double()
    )
    clean = decay(true, torch.zeros(1, 12).double())[0]
    return clean + 0.05 * torch.randn(count, 12, generator=draw).double()


def test_minima_are_scipys():
    data = noisy_decays(8)
    start = torch.tensor([1.0, 0.2, 0.0]).double().repeat(8, 1)
    found = damped_least_squares(lambda p: decay(p, data), start, tolerance=1e-14)
    assert found.converged.all()
    for i, row in enumerate(data):
        values, slopes = (
            lambda p, row=row, part=part: decay(torch.tensor(p)[None], row)[part][0]
            for part in (0, 1)
        )
        wanted = least_squares(
            values, start[i], slopes, method='lm', xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        np.testing.assert_allclose(found.parameters[i], wanted.x, atol=1e-6)
        assert found.cost[i].item() == pytest.approx(wanted.cost, rel=1e-9)


def test_a_curved_valley_is_followed_from_every_start():
    start = torch.tensor([[-1.2, 1.0], [3.0, -5.0], [0.0, 0.0], [1.0, 1.0]]).double()
    found = damped_least_squares(rosenbrock, start, steps=200, tolerance=1e-14)
    np.testing.assert_allclose(found.parameters, np.ones((4, 2)), atol=1e-6)


def test_a_problem_is_solved_as_if_it_were_alone():
    data = noisy_decays(5)
    start = torch.tensor([1.0, 0.2, 0.0]).double().repeat(5, 1)
    together = damped_least_squares(lambda p: decay(p, data), start).parameters
    for i, row in enumerate(data):
        one = slice(i, i + 1)
        alone = damped_least_squares(lambda p, row=row: decay(p, row), start[one])
        np.testing.assert_allclose(together[i], alone.parameters[0], atol=1e-9)


def test_the_cost_never_rises():
    costs = [
        damped_least_squares(
            rosenbrock, torch.tensor([[-1.2, 1.0]]).double(), steps=steps
        ).cost.item()
        for steps in range(12)
    ]
    assert costs == sorted(costs, reverse=True) and costs[-1] < costs[0]


def test_what_nothing_decides_stays_where_it_was():
    def residuals(parameters):
        slope = torch.zeros(len(parameters), 1, 2).double()
        slope[..., 0] = 1
        return parameters[:, :1] - 3, slope

    found = damped_least_squares(residuals, torch.tensor([[0.0, 7.0]]).double())
    np.testing.assert_allclose(found.parameters, [[3.0, 7.0]], atol=1e-3)


def test_a_step_to_where_nothing_is_finite_is_not_taken():
    def residuals(parameters):  # log x = 2, which is not defined left of 0
        return parameters.log() - 2, (1 / parameters)[..., None]

    found = damped_least_squares(residuals, torch.tensor([[50.0], [0.1]]).double())
    np.testing.assert_allclose(found.parameters, np.full((2, 1), np.exp(2)), rtol=1e-4)
