"""The linear map W of the correlated covariance, held as the factors of its inverse.

W^-1 = Pi L U with L unit lower and U upper triangular: d^2 numbers, log|det| is a sum
and no training step factorises anything. They are stored as one matrix, strictly lower
part L, strictly upper part U, diagonal log|U_ii|: all zeros is W = I. The permutation
Pi and the signs of U_ii, which a general W needs, are constants.
"""
from typing import NamedTuple

import torch
from torch import Tensor

MAX_CONDITION = 1e6  # of W with unit columns; float32 cannot invert a worse one


class MixingFactors(NamedTuple):
    """Factors of an unmixing matrix; the names are those in a state dict.

    Attributes:
        lower_upper: (..., d, d) as the module describes; leading dims are slots.
        permutation: (..., d) int64, row i of W^-1 is row ``permutation[i]`` of L U.
        sign: (..., d) of U's diagonal, 1 or -1.
    """

    lower_upper: Tensor
    permutation: Tensor
    sign: Tensor


class _Compose(torch.autograd.Function):
    """Pi L U and log|det| in one node."""

    @staticmethod
    def forward(ctx, compact: Tensor, order: Tensor, sign: Tensor):
        lower, upper, log_det = unpack(compact, sign)
        ctx.save_for_backward(lower, upper, order)
        return product(lower, upper, order), log_det

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor, grad_log_det: Tensor):
        return pack_gradient(*ctx.saved_tensors, grad, grad_log_det), None, None


def compose(factors: MixingFactors) -> tuple[Tensor, Tensor]:
    """W^-1 (..., d, d) and log|det W^-1| (...), differentiable in ``lower_upper``."""
    return _Compose.apply(*factors)


def unpack(compact: Tensor, sign: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L - I, U, and log|det U| of compact factors; outside of autograd."""
    logs = compact.diagonal(dim1=-2, dim2=-1)
    upper = compact.triu(1)
    upper.diagonal(dim1=-2, dim2=-1).copy_(logs.exp().mul_(sign))
    return compact.tril(-1), upper, logs.sum(-1)


def product(lower: Tensor, upper: Tensor, order: Tensor) -> Tensor:
    """Pi L U, ``lower`` being L - I."""
    return _take_rows((lower @ upper).add_(upper), order)


def pack_gradient(lower: Tensor, upper: Tensor, order: Tensor, grad: Tensor,
                  grad_log_det: Tensor) -> Tensor:
    """Gradient of the compact factors from those of Pi L U and log|det|."""
    grad = _put_rows(grad, order)
    result = (lower.mT @ grad).add_(grad).triu_()
    # d exp(s) = exp(s) ds on the diagonal.
    diagonal = result.diagonal(dim1=-2, dim2=-1)
    diagonal.mul_(upper.diagonal(dim1=-2, dim2=-1)).add_(grad_log_det[..., None])
    return result.add_((grad @ upper.mT).tril_(-1))


def _take_rows(matrix: Tensor, order: Tensor) -> Tensor:
    """Rows ``order`` (..., d) of matrices (..., d, d)."""
    if matrix.dim() == 2:
        return matrix.index_select(0, order)  # a third of the time of gather
    return matrix.gather(-2, order[..., None].expand_as(matrix))


def _put_rows(matrix: Tensor, order: Tensor) -> Tensor:
    """The inverse of :func:`_take_rows`."""
    result = torch.empty_like(matrix)
    if matrix.dim() == 2:
        return result.index_copy_(0, order, matrix)
    return result.scatter_(-2, order[..., None].expand_as(matrix), matrix)


def decompose(mixing: Tensor) -> MixingFactors:
    """Factors that represent W (..., d, d) exactly, its columns' scale included.

    Raises: ValueError where W is not square, not finite, or ill-conditioned.
    """
    if mixing.dim() < 2 or mixing.shape[-1] != mixing.shape[-2]:
        raise ValueError(f'W has shape {tuple(mixing.shape)}; expected (..., d, d)')
    check_condition(mixing)
    compact, pivots = torch.linalg.lu_factor(torch.linalg.inv(mixing.double()))
    pi = torch.lu_unpack(compact, pivots, unpack_data=False)[0]
    diagonal = compact.diagonal(dim1=-2, dim2=-1).clone()
    compact.diagonal(dim1=-2, dim2=-1).copy_(diagonal.abs().log())
    return MixingFactors(compact.to(mixing.dtype), pi.argmax(-1),
                         diagonal.sign().to(mixing.dtype))


def unit_columns(mixing: Tensor) -> tuple[Tensor, Tensor]:
    """W (..., d, d) with columns of length 1, and the log (..., d) of the old lengths.

    W's scale is free: sigma of z times the old lengths gives the same density.
    """
    length = mixing.norm(dim=-2).clamp(min=torch.finfo(mixing.dtype).tiny)
    return mixing / length[..., None, :], length.log()


def check_condition(mixing: Tensor) -> None:
    """ValueError naming the condition number if a W (..., d, d) is ill-conditioned."""
    if not mixing.isfinite().all():
        raise ValueError('W has entries that are not finite; restore an earlier '
                         'checkpoint and lower the learning rate')
    singular = torch.linalg.svdvals(unit_columns(mixing.double())[0])
    condition = float((singular[..., 0] / singular[..., -1]).max())
    if not condition <= MAX_CONDITION:
        raise ValueError(
            f'W with unit columns has condition number {condition:.3g}, above '
            f'{MAX_CONDITION:.0e}: its density is meaningless in float32; restart from '
            'the identity with a lower learning rate or some weight decay on it'
        )


def state_from_mixing(mixing: Tensor) -> dict[str, Tensor]:
    """What a CorrelatedCovariance saves for W (d, d) or (S, d, d), y = mu + W z.

    Keys are relative to the part, to be joined with e.g.
    ``'uncertainty_head.covariance.'``.
    """
    return {**decompose(mixing)._asdict(), 'unit_mixing': unit_columns(mixing)[0]}
