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
    """Factors of S unmixing matrices; the names are those in a state dict.

    Attributes:
        lower_upper: (S, d, d) as the module describes.
        permutation: (S, d) int64, row i of W^-1 is row ``permutation[i]`` of L U.
        sign: (S, d) of U's diagonal, 1 or -1.
    """

    lower_upper: Tensor
    permutation: Tensor
    sign: Tensor


class _Compose(torch.autograd.Function):
    """L U from the compact factors; one node, since the step's cost is overhead."""

    @staticmethod
    def forward(ctx, compact: Tensor, sign: Tensor) -> Tensor:
        diagonal = sign * compact.diagonal(dim1=-2, dim2=-1).exp()
        lower, upper = compact.tril(-1), compact.triu(1)
        lower.diagonal(dim1=-2, dim2=-1).fill_(1)
        upper.diagonal(dim1=-2, dim2=-1).copy_(diagonal)
        ctx.save_for_backward(lower, upper)
        return lower @ upper

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        lower, upper = ctx.saved_tensors
        grad_upper = (lower.mT @ grad).triu_()
        # d exp(s) = exp(s) ds on the diagonal.
        grad_upper.diagonal(dim1=-2, dim2=-1).mul_(upper.diagonal(dim1=-2, dim2=-1))
        return grad_upper.add_((grad @ upper.mT).tril_(-1)), None


def compose(factors: MixingFactors) -> tuple[Tensor, Tensor]:
    """W^-1 (S, d, d) and log|det W^-1| (S), differentiable in ``lower_upper``."""
    compact, permutation, sign = factors
    product = _Compose.apply(compact, sign)
    rows = permutation[..., None].expand_as(product)
    log_det = compact.diagonal(dim1=-2, dim2=-1).sum(-1)
    return product.gather(-2, rows), log_det


def decompose(mixing: Tensor) -> MixingFactors:
    """Factors that represent W (S, d, d) exactly, scale of its columns included.

    Raises: ValueError where W is not square, not finite, or ill-conditioned.
    """
    if mixing.dim() != 3 or mixing.shape[-1] != mixing.shape[-2]:
        raise ValueError(f'W has shape {tuple(mixing.shape)}; expected (S, d, d)')
    check_condition(mixing)
    lower, pivots = torch.linalg.lu_factor(torch.linalg.inv(mixing.double()))
    permutation = torch.lu_unpack(lower, pivots, unpack_data=False)[0].mT.argmax(-2)
    diagonal = lower.diagonal(dim1=-2, dim2=-1)
    compact = lower + torch.diag_embed(diagonal.abs().log() - diagonal)
    return MixingFactors(compact.to(mixing.dtype), permutation,
                         diagonal.sign().to(mixing.dtype))


def unit_columns(mixing: Tensor) -> tuple[Tensor, Tensor]:
    """W (..., d, d) with columns of length 1, and the log (..., d) of the old lengths.

    W's scale is free: sigma of z times the old lengths gives the same density.
    """
    length = mixing.norm(dim=-2)
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
    mixing = mixing.reshape(-1, *mixing.shape[-2:])
    return {**decompose(mixing)._asdict(), 'unit_mixing': unit_columns(mixing)[0]}
