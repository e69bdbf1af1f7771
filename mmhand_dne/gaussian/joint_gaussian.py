"""A Gaussian over the coordinates of several joints, as people read it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import at_least_fp32

LOG_2PI = math.log(2 * math.pi)


class JointGaussian(NamedTuple):
    """N(mean, root root^T) over K joints of ``dims`` coordinates, d = K dims.

    The square root of the covariance is kept rather than the covariance: its
    condition number is the root of the covariance's, so float32 holds it well. What
    needs an inverse or a determinant is computed in float64 and returned in the
    mean's precision.

    Attributes:
        mean: (..., d) the target's unit, joint by joint, coordinates inside.
        root: (..., d, d) any square root of the covariance, not only triangular.
        dims: coordinates per joint.

    Example:
        >>> hand = JointGaussian(torch.zeros(60), 0.01 * torch.eye(60))
        >>> hand.joint_std().shape, hand.marginal([3]).covariance().shape
        (torch.Size([20]), torch.Size([3, 3]))
    """

    mean: Tensor
    root: Tensor
    dims: int = 3

    @classmethod
    def from_covariance(
        cls, mean: Tensor, covariance: Tensor, dims: int = 3
    ) -> 'JointGaussian':
        """From a covariance matrix (..., d, d), which must be positive definite."""
        if covariance.shape[-2:] != (mean.shape[-1],) * 2:
            raise UserError(
                f'covariance {tuple(covariance.shape)} does not fit the mean '
                f'{tuple(mean.shape)}; expected (..., d, d) and (..., d)'
            )
        root, info = torch.linalg.cholesky_ex(at_least_fp32(covariance))
        if info.any():
            raise UserError(
                f'{int((info > 0).sum())} of {info.numel()} covariances are not '
                'positive definite; symmetrise them, or raise their smallest variance'
            )
        return cls(mean, root, dims)

    @property
    def num_joints(self) -> int:
        """K."""
        return self.mean.shape[-1] // self.dims

    def covariance(self) -> Tensor:
        """(..., d, d), the target's unit squared."""
        return self.root @ self.root.mT

    def variance(self) -> Tensor:
        """(..., d) the covariance's diagonal."""
        return self.root.square().sum(-1)

    def std(self) -> Tensor:
        """(..., d) of each coordinate, the target's unit."""
        return self.variance().sqrt()

    def joint_std(self) -> Tensor:
        """(..., K) square root of the trace of each joint's block: its RMS error."""
        return self.variance().unflatten(-1, (-1, self.dims)).sum(-1).sqrt()

    def log_prob(self, value: Tensor, visible: Tensor | None = None) -> Tensor:
        """Log-density in nats, all constants included.

        Args:
            value: (..., d) or (..., K, dims); hidden entries may hold anything.
            visible: (..., K), nonzero where the joint is known; others are integrated
                out. None: all.
        Returns: (...).
        """
        residual = (self._flat(value, self.num_joints) - self.mean).double()
        if visible is None:
            shown = torch.ones_like(residual, dtype=torch.bool)
            root = self.root.double()
        else:
            shown = (visible > 0).repeat_interleave(self.dims, -1)
            shown = shown.expand(residual.shape)
            residual = torch.where(shown, residual, 0)
            # Hidden coordinates become independent unit ones: same density of the rest.
            root = torch.cat(
                [
                    self.root * shown[..., None],
                    torch.diag_embed((~shown).to(self.root.dtype)),
                ],
                -1,
            ).double()
        _known(residual)
        factor = _triangular(root)
        white = torch.linalg.solve_triangular(factor, residual[..., None], upper=False)
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        terms = white.square().sum((-1, -2)) + LOG_2PI * shown.double().sum(-1)
        return (-0.5 * terms - log_det).to(self.mean.dtype)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, ..., d) draws, differentiable in mean and root."""
        noise = torch.randn(
            count,
            *self.mean.shape,
            generator=generator,
            dtype=self.mean.dtype,
            device=self.mean.device,
        )
        return self.mean + (self.root @ noise[..., None])[..., 0]

    def marginal(self, joints: Sequence[int]) -> 'JointGaussian':
        """The Gaussian of these joints alone, in the order given."""
        rows = self._coordinates(joints)
        factor = _triangular(self.root[..., rows, :].double(), definite=False)
        root = factor.to(self.root.dtype)
        return JointGaussian(self.mean[..., rows], root, self.dims)

    def conditional(self, joints: Sequence[int], values: Tensor) -> 'JointGaussian':
        """The Gaussian of the *other* joints, these being known.

        Args:
            joints: indices of the known joints.
            values: (..., len(joints), dims) or flat.
        Returns: of the remaining joints, in their old order.
        """
        known, size = self._coordinates(joints), len(joints) * self.dims
        rest = [i for i in range(self.mean.shape[-1]) if i not in set(known)]
        if not rest:
            raise UserError(
                f'all {self.num_joints} joints are given; none is left to condition'
            )
        # root = L Q with L lower triangular, known coordinates first.
        factor = _triangular(self.root[..., known + rest, :].double())
        gap = (self._flat(values, len(joints)) - self.mean[..., known]).double()
        _known(gap)
        white = torch.linalg.solve_triangular(
            factor[..., :size, :size], gap[..., None], upper=False
        )
        shift = (factor[..., size:, :size] @ white)[..., 0]
        mean = self.mean[..., rest] + shift.to(self.mean.dtype)
        root = factor[..., size:, size:].to(self.root.dtype)
        return JointGaussian(mean, root, self.dims)

    def _coordinates(self, joints: Sequence[int]) -> list[int]:
        joints = [int(joint) for joint in joints]
        if (
            not joints
            or len(set(joints)) < len(joints)
            or not all(0 <= joint < self.num_joints for joint in joints)
        ):
            raise UserError(
                f'joints {joints} must be different indices below '
                f'{self.num_joints}, at least one'
            )
        axes = range(self.dims)
        return [joint * self.dims + axis for joint in joints for axis in axes]

    def _flat(self, value: Tensor, joints: int) -> Tensor:
        size = joints * self.dims
        if value.shape[-2:] == (joints, self.dims):
            value = value.flatten(-2)
        if value.shape[-1:] != (size,):
            raise UserError(
                f'value {tuple(value.shape)} does not fit {joints} joints of '
                f'{self.dims} coordinates; expected (..., {size})'
            )
        return value


def _triangular(root: Tensor, definite: bool = True) -> Tensor:
    """Lower-triangular square root of ``root root^T`` with diagonal >= 0.

    Args:
        root: (..., k, n), n >= k.
        definite: refuse a singular one.
    """
    factor = torch.linalg.qr(root.mT).R.mT
    sign = torch.where(factor.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    factor = factor * sign[..., None, :].to(factor.dtype)
    if definite:
        diagonal = factor.detach().diagonal(dim1=-2, dim2=-1)
        if not (diagonal > 1e-14 * diagonal.amax(-1, keepdim=True)).all():
            raise UserError(
                'the covariance is not positive definite, so it has no density; leave '
                'out the coordinates that are constant'
            )
    return factor


def _known(residual: Tensor) -> None:
    if not residual.isfinite().all():
        raise UserError('the value has entries that are not finite; hide their joints')
