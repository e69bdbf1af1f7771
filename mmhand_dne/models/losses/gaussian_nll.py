"""Losses of Gaussian covariances on any keypoint model, 2D or 3D."""

from typing import Any

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.gaussian.density import (
    CovarianceParams,
    apart_nll,
    correlated_nll,
    diagonal_nll,
    full_nll,
)
from mmhand_dne.gaussian.mixing import compose
from mmhand_dne.geometry.precision import at_least_fp32

from .masked_loss import masked_mean

RELEASED_EPSILON = 1e-6  # target's unit squared; the released code adds it to sigma^2


class GaussianNLLLoss(nn.Module):
    """Negative log-density of the true keypoints, 0.5 log 2 pi dropped.

    Hidden joints are integrated out exactly. The value is the mean over *rows*, one
    Gaussian each (an image, or a hand of it), of the sum over visible coordinates. A
    row without a visible joint adds nothing, not even to the number of rows; a batch
    without any gives 0 with a gradient graph. It runs in float32 under autocast.

    Args:
        dims: coordinates per joint, 2 or 3.
        loss_weight: factor.
        reduction: 'mean' as above, or 'sum' over this process' rows, as the released
            code does.

    Example:
        >>> loss = DiagonalGaussianNLLLoss(dims=2)
        >>> params = CovarianceParams(log_var=torch.zeros(4, 42))
        >>> loss(params, torch.zeros(4, 21, 2), torch.ones(4, 21, 2))
        tensor(21.)
    """

    def __init__(
        self, dims: int = 3, loss_weight: float = 1.0, reduction: str = 'mean'
    ) -> None:
        super().__init__()
        if dims not in (2, 3) or reduction not in ('mean', 'sum'):
            raise UserError(
                f'{type(self).__name__}: dims={dims} is 2 or 3, reduction='
                f"{reduction!r} is 'mean' or 'sum'"
            )
        self.dims, self.loss_weight, self.reduction = dims, loss_weight, reduction

    def forward(
        self,
        params: CovarianceParams,
        mean: Tensor,
        target: Tensor,
        visible: Tensor | None = None,
    ) -> Tensor:
        """A scalar.

        Args:
            params: from a covariance part.
            mean, target: (..., K, dims) the same unit.
            visible: (..., K) nonzero where the joint is known, or (..., K, dims) where
                that coordinate of it is; a mask and no weight. None: all. Hidden
                targets may hold anything.
        """
        value = self.rows(params, mean, target, visible)
        if self.reduction == 'sum':
            return self.loss_weight * value.sum()
        counted = None
        if visible is not None:
            counted = (visible > 0).flatten(mean.dim() - 2).any(-1)
        return self.loss_weight * masked_mean(value, counted)

    def rows(
        self,
        params: CovarianceParams,
        mean: Tensor,
        target: Tensor,
        visible: Tensor | None = None,
    ) -> Tensor:
        """(...) of each row, 0 where none of its joints is visible.

        Arguments: see :meth:`forward`.
        """
        self._check(params, mean, target, visible)
        with torch.autocast(mean.device.type, enabled=False):
            residual = at_least_fp32(target).to(at_least_fp32(mean).dtype) - mean
            residual, shown = residual.flatten(-2), None
            if visible is not None:
                shown = visible > 0
                if visible.dim() < mean.dim():
                    shown = shown[..., None].expand(mean.shape)
                shown = shown.flatten(-2)
                residual = torch.where(shown, residual, 0)
            if not residual.isfinite().all():
                raise UserError(self._complaint(mean, target, shown))
            value = self.nll(params, residual, shown)
            return value if shown is None else torch.where(shown.any(-1), value, 0)

    def nll(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """(...) of residuals (..., d), hidden ones 0."""
        raise NotImplementedError

    def _check(
        self,
        params: CovarianceParams,
        mean: Tensor,
        target: Tensor,
        visible: Tensor | None,
    ) -> None:
        name = type(self).__name__
        if mean.shape != target.shape or mean.shape[-1] != self.dims:
            raise UserError(
                f'{name}: prediction {tuple(mean.shape)} and target '
                f'{tuple(target.shape)} must both be (..., K, {self.dims})'
            )
        shapes = (mean.shape[:-1], mean.shape)
        if visible is not None and visible.shape not in shapes:
            raise UserError(
                f'{name}: visible {tuple(visible.shape)} is not '
                f'{tuple(mean.shape[:-1])}, one entry per joint, or '
                f'{tuple(mean.shape)}, one per coordinate'
            )
        scale = params.log_diag if params.log_var is None else params.log_var
        if scale.shape != (*mean.shape[:-2], mean.shape[-2] * self.dims):
            raise UserError(
                f'{name}: the covariance is of {tuple(scale.shape)} coordinates, the '
                f'keypoints of {(*mean.shape[:-2], mean.shape[-2] * self.dims)}; set '
                'dim of the covariance to the number of joints times dims'
            )

    def _complaint(self, mean: Tensor, target: Tensor, shown: Tensor | None) -> str:
        bad = ~target.isfinite().flatten(-2)
        if shown is not None:
            bad &= shown
        if bad.any():
            return (
                f'{type(self).__name__}: {int(bad.sum())} target coordinates of '
                'visible joints are not finite; repair the labels or hide those '
                'joints'
            )
        return (
            f'{type(self).__name__}: {int((~mean.isfinite()).sum())} predicted '
            'coordinates are not finite; lower the learning rate'
        )


def _require(has_parameters: bool, loss: nn.Module, part: str) -> None:
    """Refuse the parameters of another covariance than the loss is for."""
    if not has_parameters:
        raise UserError(
            f'{type(loss).__name__} needs the parameters of a {part}; '
            'name that part, or the loss of the part there is'
        )


@MODELS.register_module()
class DiagonalGaussianNLLLoss(GaussianNLLLoss):
    """NLL of DiagonalCovariance, and of CorrelatedCovariance(linear=False)."""

    def nll(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """See :func:`diagonal_nll`."""
        _require(
            params.log_var is not None and params.mixing is None,
            self,
            'DiagonalCovariance',
        )
        return diagonal_nll(residual, params.log_var, visible)


@MODELS.register_module()
class FullGaussianNLLLoss(GaussianNLLLoss):
    """NLL of FullCovariance. The released code's value is twice this one."""

    def nll(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """See :func:`full_nll`."""
        _require(params.factor is not None, self, 'FullCovariance')
        return full_nll(residual, params.factor, params.log_diag, visible)


@MODELS.register_module()
class CorrelatedGaussianNLLLoss(GaussianNLLLoss):
    """NLL of CorrelatedCovariance: W takes part in the likelihood.

    ``mode='released'`` is what the released code minimises instead: the diagonal NLL of
    (mu, sigma of z), which never sees W, plus the squared error of samples mu + W z.
    Hidden joints are dropped from both terms. The squared error's expectation is
    |r|^2 + tr(W diag(sigma^2) W^T): all it can teach W is to shrink to 0, whatever the
    errors' correlation. That mode therefore refuses a trainable W.

    ``mode='margins'``, for ``variances='apart'``, is ours: sigma and the mean learn
    from each coordinate's own density, W from the joint one, in which they are held
    (inference functions for margins; Joe and Xu, 1996). The joint density weighs the
    directions in which errors are small as much as those in which they are large, and
    has sigma follow both. The value is the sum of both densities.

    Args:
        mode: 'exact', 'margins' or 'released'.
        num_samples: N of the released mode.
        sample_weight: of the released mode's squared error against its NLL.

    Other arguments: see :class:`GaussianNLLLoss`; the released code has
    ``loss_weight=5e-4, reduction='sum'`` and targets that are not root-aligned.
    """

    def __init__(
        self,
        mode: str = 'exact',
        num_samples: int = 25,
        sample_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in ('exact', 'margins', 'released') or num_samples < 1:
            raise UserError(
                f"CorrelatedGaussianNLLLoss: mode={mode!r} is 'exact', 'margins' or "
                f"'released', num_samples={num_samples} at least 1"
            )
        self.mode, self.num_samples = mode, num_samples
        self.sample_weight = sample_weight

    def nll(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """See :func:`correlated_nll` and, with ``variances='apart'``,
        :func:`apart_nll`; W = I (``linear=False``) is the diagonal's.
        """
        _require(params.log_var is not None, self, 'CorrelatedCovariance')
        if self.mode == 'released':
            return self.released(params, residual, visible)
        if self.mode == 'margins':
            return self.margins(params, residual, visible)
        if params.mixing is None:
            return diagonal_nll(residual, params.log_var, visible)
        density = apart_nll if params.apart else correlated_nll
        return density(residual, params.log_var, params.mixing, visible)

    def margins(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """The marginal densities, and the joint one for W alone, (...)."""
        if not params.apart:
            raise UserError(
                "mode='margins' needs sigma to be of the joints themselves; build "
                "CorrelatedCovariance with variances='apart' or use mode='exact'"
            )
        own = diagonal_nll(residual, params.log_var, visible)
        held = residual.detach(), params.log_var.detach()
        return own + apart_nll(*held, params.mixing, visible)

    def released(
        self, params: CovarianceParams, residual: Tensor, visible: Tensor | None
    ) -> Tensor:
        """The two terms of the released code, (...)."""
        if params.apart:
            raise UserError(
                "mode='released' knows sigma of z only; build CorrelatedCovariance "
                "with variances='mixed' or use mode='exact'"
            )
        if params.mixing is not None and params.mixing.lower_upper.requires_grad:
            raise UserError(
                "mode='released' would only shrink a trainable W to 0: its squared "
                'error of samples grows with W and its NLL does not see W; freeze W '
                "(train_mixing=False) or use mode='exact'"
            )
        variance = params.log_var.exp()
        squares = residual.square()
        nll = 0.5 * (params.log_var + squares / (variance + RELEASED_EPSILON))
        noise = (
            torch.randn(
                self.num_samples,
                *residual.shape,
                dtype=residual.dtype,
                device=residual.device,
            )
            * variance.sqrt()
        )
        if params.mixing is not None:
            mixing = torch.linalg.inv(compose(params.mixing)[0])  # frozen
            noise = (mixing @ noise[..., None])[..., 0]
        terms = nll + self.sample_weight * (noise - residual).square().mean(0)
        if visible is not None:
            terms = torch.where(visible, terms, 0)
        return terms.sum(-1)
