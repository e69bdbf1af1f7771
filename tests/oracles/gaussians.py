"""Negative log-densities from covariance matrices, by torch's own distribution."""

import math

import torch
from torch import Tensor


def covariance_of(kind: str, params) -> Tensor:
    """(..., d, d) float64 written from the definition of each parameterisation."""
    if kind == 'FullCovariance':
        factor = params.factor.double()
        return torch.linalg.inv(factor @ factor.mT)
    covariance = torch.diag_embed(params.log_var.double().exp())
    if params.mixing is None:
        return covariance
    mixing = mixing_of(params.mixing)
    if params.apart:
        scales = torch.diag_embed(params.log_var.double().exp().sqrt())
        return scales @ mixing @ mixing.mT @ scales
    return mixing @ covariance @ mixing.mT


def mixing_of(factors) -> Tensor:
    """W from the factors of its inverse, by the words of their docstring."""
    compact = factors.lower_upper.double()
    lower = compact.tril(-1) + torch.eye(compact.shape[-1], dtype=torch.float64)
    diagonal = compact.diagonal(dim1=-2, dim2=-1).exp()
    upper = compact.triu(1) + torch.diag_embed(diagonal)
    return torch.linalg.inv(lower @ upper @ factors.base.double())


def nll_of(residual: Tensor, covariance: Tensor, shown=None) -> Tensor:
    """-log density without constants, of the shown coordinates alone, one by one."""
    size = residual.shape[-1]
    rows = residual.double().reshape(-1, size)
    matrices = covariance.expand(*residual.shape[:-1], size, size).reshape(
        -1, size, size
    )
    if shown is None:
        shown = torch.ones_like(rows, dtype=torch.bool)
    values = []
    for row, matrix, keep in zip(rows, matrices, shown.reshape(-1, size)):
        normal = torch.distributions.MultivariateNormal(
            torch.zeros(int(keep.sum()), dtype=torch.float64), matrix[keep][:, keep]
        )
        constant = 0.5 * math.log(2 * math.pi) * int(keep.sum())
        values.append(-normal.log_prob(row[keep]) - constant)
    return torch.stack(values).reshape(residual.shape[:-1])
