"""The linear map W of the correlated covariance, held by its inverse.

W^-1 = L U B. B is a constant; L, unit lower, and U, upper triangular, are the step
taken since B was made: d^2 numbers in one matrix, strictly lower part L, strictly upper
part U, diagonal log U_ii. Zeros are no step. B takes the step in (:func:`absorb`), so
that the next one starts at the identity, where L U is as well conditioned as can be.
Such steps, relative to W, are those of the relative gradient (Cardoso and Laheld,
1996): how fast W is learnt does not depend on W. Log-determinants are sums; no training
step factorises anything.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError

MAX_CONDITION = 1e6  # of W with unit columns; float32 cannot invert a worse one


class MixingFactors(NamedTuple):
    """Factors of an unmixing matrix; the tensors' names are those in a state dict.

    Attributes:
        lower_upper: (..., d, d) as the module describes; leading dims are slots.
        base: (..., d, d) B.
        base_log_det: (...) log|det B|.
        absorbed: ``lower_upper`` is known to be 0, W^-1 is B.
    """

    lower_upper: Tensor
    base: Tensor
    base_log_det: Tensor
    absorbed: bool = False


class _Compose(torch.autograd.Function):
    """L U B and log|det| in one node."""

    @staticmethod
    def forward(ctx, compact: Tensor, base: Tensor, base_log_det: Tensor):
        lower, upper = unpack(compact)
        unmixing, upper_base = product(lower, upper, base)
        ctx.save_for_backward(lower, upper, upper_base, base)
        return unmixing, log_det(compact) + base_log_det

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor, grad_log_det: Tensor):
        lower, upper, upper_base, base = ctx.saved_tensors
        result = ((lower.mT @ grad).add_(grad) @ base.mT).triu_()
        # d exp(s) = exp(s) ds on the diagonal.
        diagonal = result.diagonal(dim1=-2, dim2=-1)
        diagonal.mul_(upper.diagonal(dim1=-2, dim2=-1)).add_(grad_log_det[..., None])
        return result.add_((grad @ upper_base.mT).tril_(-1)), None, None


def compose(factors: MixingFactors) -> tuple[Tensor, Tensor]:
    """W^-1 (..., d, d) and log|det W^-1| (...), differentiable in ``lower_upper``."""
    return _Compose.apply(*factors[:3])


def absorb(factors: MixingFactors) -> tuple[Tensor, Tensor]:
    """B and log|det B| with the step taken in, as new tensors; outside of autograd.

    Graphs of earlier forwards may still hold the old ones.
    """
    compact, base, base_log_det, _ = factors
    return product(*unpack(compact), base)[0], log_det(compact).add_(base_log_det)


def unpack(compact: Tensor) -> tuple[Tensor, Tensor]:
    """L - I and U of a compact step; outside of autograd."""
    upper = compact.triu()
    upper.diagonal(dim1=-2, dim2=-1).exp_()
    return compact.tril(-1), upper


def product(lower: Tensor, upper: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """L U B, ``lower`` being L - I; and U B."""
    upper_base = upper @ base
    return (lower @ upper_base).add_(upper_base), upper_base


def log_det(compact: Tensor) -> Tensor:
    """log|det L U| (...)."""
    return compact.diagonal(dim1=-2, dim2=-1).sum(-1)


def unmix(rows: Tensor, unmixing: Tensor) -> Tensor:
    """W^-1 r of rows (..., d), or (..., S, d) for W^-1 (S, d, d)."""
    if unmixing.dim() == 2:
        return rows @ unmixing.mT
    return torch.einsum('...sd,sed->...se', rows, unmixing)


def from_mixing(mixing: Tensor) -> MixingFactors:
    """Factors of W (..., d, d), its columns' scale included.

    Raises: ValueError where W is not square, not finite, or ill-conditioned.
    """
    if mixing.dim() < 2 or mixing.shape[-1] != mixing.shape[-2]:
        raise UserError(f'W has shape {tuple(mixing.shape)}; expected (..., d, d)')
    check_condition(mixing)
    # LAPACK returns columns; a product's last bits depend on the layout.
    base = torch.linalg.inv(mixing.double()).contiguous()
    return MixingFactors(
        torch.zeros_like(mixing),
        base.to(mixing.dtype),
        torch.linalg.slogdet(base)[1].to(mixing.dtype),
        absorbed=True,
    )


def unit_columns(mixing: Tensor) -> tuple[Tensor, Tensor]:
    """W (..., d, d) with columns of length 1, and the log (..., d) of the old lengths.

    W's scale is free: sigma of z times the old lengths gives the same density.
    """
    length = mixing.norm(dim=-2).clamp(min=torch.finfo(mixing.dtype).tiny)
    return mixing / length[..., None, :], length.log()


def check_condition(mixing: Tensor) -> None:
    """ValueError naming the condition number if a W (..., d, d) is ill-conditioned."""
    if not mixing.isfinite().all():
        raise UserError(
            'W has entries that are not finite; restore an earlier '
            'checkpoint and lower the learning rate'
        )
    singular = torch.linalg.svdvals(unit_columns(mixing.double())[0])
    condition = float((singular[..., 0] / singular[..., -1]).max())
    if not condition <= MAX_CONDITION:
        raise UserError(
            f'W with unit columns has condition number {condition:.3g}, above '
            f'{MAX_CONDITION:.0e}: its density is meaningless in float32; restart from '
            'the identity with a lower learning rate'
        )


def state_from_mixing(mixing: Tensor) -> dict[str, Tensor]:
    """What a CorrelatedCovariance saves for W (d, d) or (S, d, d), y = mu + W z.

    Keys are relative to the part, to be joined with e.g.
    ``'uncertainty_head.covariance.'``.
    """
    tensors = from_mixing(mixing)._asdict()
    del tensors['absorbed']
    return {**tensors, 'unit_mixing': unit_columns(mixing)[0]}
