"""Damped least squares (Levenberg-Marquardt) for a batch of independent problems."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-9  # of the damped diagonal, over its mean: parameters that nothing decides
MAX_DAMPING = 1e12  # a problem that is still not descending is done


class LeastSquares(NamedTuple):
    """Where a batch of B problems of P parameters stands.

    Attributes:
        parameters: (B, P).
        cost: (B,) half the sum of squared residuals.
        converged: (B,) bool.
    """

    parameters: Tensor
    cost: Tensor
    converged: Tensor


class _Quadratic(NamedTuple):
    """The model of the cost about a point: cost (B,), gradient, Gauss-Newton matrix."""

    cost: Tensor
    gradient: Tensor
    matrix: Tensor


def damped_least_squares(
    residuals: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    steps: int = 50,
    damping: float = 1e-3,
    tolerance: float = 1e-8,
) -> LeastSquares:
    """Minimise half the sum of squares of each problem, all of them at once.

    Marquardt's step solves ``(J'J + damping diag(J'J)) d = -J'r``. Each problem has
    its own damping, by Nielsen's rule (Madsen, Nielsen and Tingleff 2004, Alg. 3.16),
    and takes a step only where that lowers its cost; one that is done stands still.

    Args:
        residuals: parameters (B, P) -> residuals (B, N) and their Jacobian (B, N, P),
            row b of row b alone. Not finite counts as not lower.
        start: (B, P), residuals there are finite; its precision is the result's.
        steps: at most so many evaluations after the first.
        damping: to begin with.
        tolerance: of the decrease that the model predicts, over the cost.
    """
    found = start
    model = _quadratic(*residuals(start))
    tiny = torch.finfo(start.dtype).tiny
    factor = torch.full_like(model.cost, damping)
    growth = torch.full_like(model.cost, 2.0)
    converged = torch.zeros_like(model.cost, dtype=torch.bool)
    for _ in range(steps):
        step, predicted = _damped_step(model, factor)
        converged = converged | (predicted <= tolerance * model.cost)
        converged = converged | (factor > MAX_DAMPING)
        if converged.all():
            break
        tried = _quadratic(*residuals(found + step))
        ratio = (model.cost - tried.cost) / predicted.clamp(min=tiny)
        better = (tried.cost < model.cost) & ~converged
        found = torch.where(better[:, None], found + step, found)
        model = _Quadratic(*map(_chosen, [better] * 3, tried, model))
        easier = factor * (1 - (2 * ratio - 1) ** 3).clamp(min=1 / 3)
        factor = torch.where(better, easier, factor * growth)
        growth = torch.where(better, 2.0, 2 * growth)
    return LeastSquares(found, model.cost, converged)


def _quadratic(residuals: Tensor, jacobian: Tensor) -> _Quadratic:
    across = jacobian.mT
    return _Quadratic(
        residuals.square().sum(-1) / 2,
        (across @ residuals[..., None])[..., 0],
        across @ jacobian,
    )


def _damped_step(model: _Quadratic, factor: Tensor) -> tuple[Tensor, Tensor]:
    """The step (B, P), and by how much (B,) the undamped model falls along it."""
    diagonal = model.matrix.diagonal(dim1=-2, dim2=-1)
    floor = FLOOR * diagonal.mean(-1, keepdim=True) + torch.finfo(diagonal.dtype).tiny
    damping = factor[:, None] * diagonal + floor
    damped = model.matrix + torch.diag_embed(damping)
    lower, info = torch.linalg.cholesky_ex(damped)
    step = -torch.cholesky_solve(model.gradient[..., None], lower)[..., 0]
    usable = (info == 0) & step.isfinite().all(-1)
    step = torch.where(usable[:, None], step, 0)
    # g'd + d'Hd/2, with Hd = -g - damping d.
    predicted = (step * (damping * step - model.gradient)).sum(-1) / 2
    # A matrix that cannot be factored asks for more damping, not for the end.
    return step, torch.where(usable, predicted, torch.inf)


def _chosen(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Problem by problem, (B,) and twice (B, ...)."""
    return torch.where(mask.reshape(-1, *[1] * (first.dim() - 1)), first, second)
