"""Weighted similarity alignment of point sets (orthogonal Procrustes)."""

import torch
from torch import Tensor

from mmhand_dne.errors import UserError

MIN_VARIANCE = 1e-18  # squared unit of the points; below it the scale is unobservable


def similarity_align(
    source: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    allow_reflection: bool = False,
    with_scale: bool = True,
) -> Tensor:
    """Source moved onto target by the best similarity in the least-squares sense.

    Solves min over s, R, t of sum_i w_i |s R x_i + t - y_i|^2 in float64. R is a
    proper rotation unless ``allow_reflection``. Points without weight move along.
    A source without extent keeps scale 1, so that it lands on the target's mean.

    Args:
        source: (..., N, 3) any unit and frame.
        target: (..., N, 3) same leading shape as source.
        weights: (..., N) non-negative, or None for all one. All zero moves nothing.
        allow_reflection: R may have determinant -1.
        with_scale: False fixes s = 1.

    Returns: (..., N, 3) the aligned source, in the source's dtype.

    Raises:
        ValueError: shapes differ.
    """
    if source.shape != target.shape or source.shape[-1] != 3:
        raise UserError(
            f'similarity_align: source {tuple(source.shape)} and target '
            f'{tuple(target.shape)} must have one shape (..., N, 3); select the '
            'common points first'
        )
    if weights is None:
        weights = source.new_ones(source.shape[:-1])
    if weights.shape != source.shape[:-1]:
        raise UserError(
            f'similarity_align: weights {tuple(weights.shape)} must be '
            f'{tuple(source.shape[:-1])}, one per point'
        )
    x, y, w = source.double(), target.double(), weights.double()
    w = (w / w.sum(-1, keepdim=True).clamp(min=torch.finfo(w.dtype).tiny))[..., None]
    x_mean, y_mean = (w * x).sum(-2, keepdim=True), (w * y).sum(-2, keepdim=True)
    x, y = x - x_mean, y - y_mean
    rotation, trace = best_rotation((w * y).mT @ x, allow_reflection)
    variance = (w * x.square()).sum((-2, -1))
    if with_scale:
        scale = torch.where(
            variance > MIN_VARIANCE, trace / variance.clamp(min=MIN_VARIANCE), 1
        )
    else:
        scale = torch.ones_like(trace)
    aligned = scale[..., None, None] * (x @ rotation.mT) + y_mean
    observed = (w > 0).any(-2, keepdim=True)
    return torch.where(observed, aligned, source.double()).to(source.dtype)


def best_rotation(cross: Tensor, allow_reflection: bool) -> tuple[Tensor, Tensor]:
    """R that maximises trace(R^T M), and that trace, for M = sum w y x^T.

    Args:
        cross: (..., 3, 3) M.

    Returns: (..., 3, 3) rotation and (...) trace of R^T M, never negative.
    """
    u, singular, vh = torch.linalg.svd(cross)
    sign = torch.ones_like(singular)
    if not allow_reflection:
        sign[..., 2] = torch.det(u @ vh).sign()
    return (u * sign[..., None, :]) @ vh, (singular * sign).sum(-1)
