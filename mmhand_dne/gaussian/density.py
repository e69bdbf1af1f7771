"""Negative log-densities of Gaussians in their cheap parameterisations.

0.5 log 2 pi per visible coordinate is dropped everywhere alike, so values of different
covariances compare. Letters: r residual y - mu, P precision, W mixing, q = W^-1 r, h
hidden and v visible coordinates. All functions take at least float32 and stay there,
but for the Cholesky of hidden coordinates: a precision has twice W's digits of
condition, so that float32 fails on a W that is far from ill-conditioned.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError

from .mixing import MixingFactors, compose, unmix


class CovarianceParams(NamedTuple):
    """What a covariance part says about a batch; absent fields are None.

    Attributes:
        log_var: (..., d) log variances: of y (diagonal) or of z, y = mu + W z; with
            ``apart`` scales of y, see :func:`apart_nll`.
        factor: (..., d, d) lower L, positive diagonal, precision P = L L^T.
        log_diag: (..., d) minus the log of L's diagonal.
        mixing: factors of W^-1 (d, d), or (S, d, d) for ... ending in S slots; None
            is W = I.
        apart: the scales are behind W, not before it.
    """

    log_var: Tensor | None = None
    factor: Tensor | None = None
    log_diag: Tensor | None = None
    mixing: MixingFactors | None = None
    apart: bool = False


def diagonal_nll(
    residual: Tensor, log_var: Tensor, visible: Tensor | None = None
) -> Tensor:
    """sum r^2 / (2 sigma^2) + 0.5 log sigma^2.

    No clamp: in float32 it is exact for standard deviations between e^-40 and e^40
    of the unit.

    Args:
        residual, log_var: (..., d).
        visible: (..., d) bool; a hidden coordinate's term is dropped, which
            integrates it out. Its residual may hold anything.
    Returns: (...).
    """
    if visible is not None:
        residual = torch.where(visible, residual, 0)
    terms = residual.square() * torch.exp(-log_var) + log_var
    if visible is not None:
        terms = torch.where(visible, terms, 0)
    return 0.5 * terms.sum(-1)


def full_nll(
    residual: Tensor, factor: Tensor, log_diag: Tensor, visible: Tensor | None = None
) -> Tensor:
    """0.5 r^T P r - 0.5 log det P with P = L L^T; arguments as in CovarianceParams."""

    def precision(rows: Tensor) -> Tensor:
        chosen = factor.flatten(0, -3)[rows].double()
        return chosen @ chosen.mT

    residual, log_det_hidden = fill_hidden(residual, visible, precision)
    white = (residual[..., None, :] @ factor)[..., 0, :]  # L^T r
    nll = 0.5 * white.square().sum(-1) + log_diag.sum(-1)
    return nll if log_det_hidden is None else nll + log_det_hidden


def correlated_nll(
    residual: Tensor,
    log_var: Tensor,
    mixing: MixingFactors,
    visible: Tensor | None = None,
) -> Tensor:
    """sum q^2 / (2 sigma^2) + 0.5 log sigma^2 + log|det W|, q = W^-1 r."""

    def precision(rows: Tensor) -> Tensor:
        inverse, _ = compose(mixing)
        if inverse.dim() == 3:
            inverse = inverse[rows % len(inverse)]
        inverse_std = torch.exp(-0.5 * log_var.flatten(0, -2)[rows])
        scaled = inverse.double() * inverse_std[..., None]
        return scaled.mT @ scaled

    residual, log_det_hidden = fill_hidden(residual, visible, precision)
    if mixing.absorbed:
        nll = _RelativeNLL.apply(residual, log_var, *mixing[:3])
    else:
        unmixing, log_det = compose(mixing)
        nll = diagonal_nll(unmix(residual, unmixing), log_var) - log_det
    return nll if log_det_hidden is None else nll + log_det_hidden


def apart_nll(
    residual: Tensor,
    log_var: Tensor,
    mixing: MixingFactors,
    visible: Tensor | None = None,
) -> Tensor:
    """The same of y = mu + diag(sigma) W z, z of variance 1.

    r / sigma has the density of W z, whatever is hidden. Arguments: see
    :func:`correlated_nll`, but that hidden residuals are finite.
    """
    scaled = residual * torch.exp(-0.5 * log_var)
    shown = log_var if visible is None else torch.where(visible, log_var, 0)
    nll = correlated_nll(scaled, torch.zeros_like(log_var), mixing, visible)
    return nll + 0.5 * shown.sum(-1)


class _RelativeNLL(torch.autograd.Function):
    """The same for W^-1 = B and nothing hidden, in one node.

    The gradient of the step L U at the identity is the relative one (Cardoso and
    Laheld, 1996): the sum over images of dNLL/dq q^T - I. It needs no factor. At d = 60
    what W costs more than the diagonal density is nodes, not products.
    """

    @staticmethod
    def forward(
        ctx,
        residual: Tensor,
        log_var: Tensor,
        step: Tensor,
        base: Tensor,
        base_log_det: Tensor,
    ):
        q = unmix(residual, base)
        scaled = torch.exp(-log_var).mul_(q)
        ctx.save_for_backward(q, scaled, base)
        return torch.addcmul(log_var, q, scaled).sum(-1).mul_(0.5).sub_(base_log_det)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        q, scaled, base = ctx.saved_tensors
        rows = grad[..., None]
        grad_q = scaled * rows
        grad_log_var = q.mul(scaled).sub_(1).mul_(-0.5 * rows)
        size = base.shape[-1]
        if base.dim() == 2:
            grad_step = grad_q.reshape(-1, size).mT @ q.reshape(-1, size)
            grad_step.diagonal().sub_(grad.sum())
        else:
            grad_step = torch.einsum('...sd,...se->sde', grad_q, q)
            images = grad.reshape(-1, len(base)).sum(0)
            grad_step.diagonal(dim1=-2, dim2=-1).sub_(images[:, None])
        return unmix(grad_q, base.mT), grad_log_var, grad_step, None, None


def fill_hidden(
    residual: Tensor, visible: Tensor | None, precision: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor | None]:
    """Integrate hidden coordinates out of a Gaussian given by its precision.

    With r_h := -P_hh^-1 P_hv r_v, the density of r_v alone is

        NLL_v(r_v) = NLL([r_h, r_v]) + 0.5 log det P_hh.

    Only rows with some coordinates hidden and some visible pay, by one batched
    Cholesky. A row with none visible has no density; its value is to be masked.

    Args:
        residual: (..., d).
        visible: (..., d) bool or None.
        precision: rows (n) of the flattened batch -> (n, d, d) float64.
    Returns: residuals with the hidden ones filled in, and 0.5 log det P_hh (...), None
        where nothing is to be filled in.
    """
    if visible is None:
        return residual, None
    residual = torch.where(visible, residual, 0)
    shown = visible.flatten(0, -2)
    rows = (shown.any(-1) & ~shown.all(-1)).nonzero()[:, 0]
    if not len(rows):
        return residual, None
    flat, hidden = residual.flatten(0, -2), ~shown[rows]
    matrix = precision(rows)
    both = hidden[:, :, None] & hidden[:, None, :]
    # Visible coordinates become an identity block: determinant 1, solution 0.
    block = torch.where(both, matrix, torch.eye(matrix.shape[-1]).to(matrix))
    factor, info = torch.linalg.cholesky_ex(block)
    if info.any():
        raise UserError(
            f'the covariances of {int((info > 0).sum())} images with hidden joints are '
            'not positive definite in this precision; lower the learning rate of the '
            'uncertainty head, or train it without mixed precision'
        )
    pull = -(matrix @ flat[rows, :, None].double()) * hidden[..., None]
    filled = flat[rows] + torch.cholesky_solve(pull, factor)[..., 0].to(flat.dtype)
    log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1).to(flat.dtype)
    residual = flat.index_copy(0, rows, filled).view_as(residual)
    half_log_det = flat.new_zeros(len(flat)).index_copy(0, rows, log_det)
    return residual, half_log_det.view(residual.shape[:-1])
