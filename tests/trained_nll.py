"""The density of a covariance part as the loss that trains it computes it."""

from mmpose.registry import MODELS


def trained_nll(part, params, residual, visible=None):
    """(...) of residuals (..., d); ``visible`` (..., d) hides whole joints."""
    kind = type(part).__name__.replace('Covariance', 'GaussianNLLLoss')
    loss = MODELS.build(dict(type=kind, dims=part.dims))
    target = residual.unflatten(-1, (-1, part.dims))
    shown = None if visible is None else visible[..., :: part.dims]
    return loss.rows(params, target.new_zeros(target.shape), target, shown)
