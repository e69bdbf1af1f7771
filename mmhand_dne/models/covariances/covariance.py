"""Covariances as parts: what the network says about its error, given a token."""

import math
from typing import Any

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.gaussian.joint_gaussian import JointGaussian
from mmhand_dne.geometry.precision import at_least_fp32

INITIAL_STD = 0.1  # of a readout's first outputs for a token of unit variance


class Covariance(BaseModule):
    """A Gaussian's covariance from a token; subclasses name the parameterisation.

    Readouts have a bias, like the released code's; published parameter counts leave
    biases out. They run in float32 also under autocast: 8 bits of a log variance
    would move the error bars by percents.

    Args:
        in_channels: d_x, channels of the token.
        dim: d, coordinates of the target.
        dims: coordinates per joint, 2 or 3.
        unit: standard deviation of each coordinate, in the target's unit, where the
            network's raw outputs are 0. 1 for weights of other programs, whose outputs
            are in the target's unit.
        num_slots: S; parts with parameters common to all images have one set per slot.
    """

    probabilistic = True

    def __init__(
        self,
        in_channels: int,
        dim: int,
        dims: int = 3,
        unit: float = 1.0,
        num_slots: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if dims not in (2, 3) or dim < 1 or dim % dims:
            raise UserError(
                f'{type(self).__name__}: dim={dim} is no multiple of '
                f'dims={dims}, which is 2 or 3'
            )
        if not unit > 0 or num_slots < 1:
            raise UserError(
                f'{type(self).__name__}: unit={unit} and num_slots='
                f'{num_slots} must be positive'
            )
        self.in_channels, self.dim, self.dims = in_channels, dim, dims
        self.num_slots, self.log_unit = num_slots, math.log(unit)

    def readout(self, channels: int, std: float = INITIAL_STD) -> nn.Linear:
        """A linear readout of the token: error bars start almost alike."""
        layer = nn.Linear(self.in_channels, channels)
        nn.init.normal_(layer.weight, std=std * self.in_channels**-0.5)
        nn.init.zeros_(layer.bias)
        return layer

    def forward(self, token: Tensor) -> CovarianceParams:
        """Token (..., d_x); with several slots (..., S, d_x)."""
        if token.shape[-1] != self.in_channels:
            raise UserError(
                f'{type(self).__name__}: the token {tuple(token.shape)} has '
                f'{token.shape[-1]} channels, in_channels is {self.in_channels}'
            )
        if self.num_slots > 1 and token.shape[-2:-1] != (self.num_slots,):
            raise UserError(
                f'{type(self).__name__}: the token {tuple(token.shape)} is not (..., '
                f'{self.num_slots}, d_x) as num_slots says'
            )
        with torch.autocast(token.device.type, enabled=False):
            return self.params(at_least_fp32(token))

    def params(self, token: Tensor) -> CovarianceParams:
        """Parameters of the density, in the target's unit."""
        raise NotImplementedError

    def root(self, params: CovarianceParams) -> Tensor:
        """(..., d, d) square root of the covariance."""
        raise NotImplementedError

    def gaussian(self, params: CovarianceParams, mean: Tensor) -> JointGaussian:
        """The density around a mean (..., d) or (..., K, dims)."""
        if mean.shape[-1] != self.dim:
            mean = mean.flatten(-2)
        if mean.shape[-1] != self.dim:
            raise UserError(
                f'{type(self).__name__}: the mean has {mean.shape[-1]} '
                f'coordinates, the covariance {self.dim}'
            )
        with torch.autocast(mean.device.type, enabled=False):
            mean = at_least_fp32(mean)
            return JointGaussian(mean, self.root(params), self.dims)


@MODELS.register_module()
class DeterministicCovariance(Covariance):
    """No covariance: the mean alone, as in HaMeR. It has no density to train."""

    probabilistic = False

    def params(self, token: Tensor) -> CovarianceParams:
        """Nothing but zeros of the right shape."""
        return CovarianceParams(log_var=token.new_zeros(*token.shape[:-1], self.dim))

    def root(self, params: CovarianceParams) -> Tensor:
        """Zeros: a point mass."""
        return torch.diag_embed(torch.zeros_like(params.log_var))


@MODELS.register_module()
class DiagonalCovariance(Covariance):
    """N(mu, diag sigma^2): the joints err independently. Adds d_x d weights.

    Example:
        >>> part = DiagonalCovariance(1024, dim=60, unit=0.02)
        >>> hand = part.gaussian(part(torch.randn(8, 1024)), torch.zeros(8, 20, 3))
        >>> hand.joint_std().shape
        torch.Size([8, 20])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fc_log_var = self.readout(self.dim)

    def params(self, token: Tensor) -> CovarianceParams:
        """Log variances."""
        return CovarianceParams(log_var=self.fc_log_var(token) + 2 * self.log_unit)

    def root(self, params: CovarianceParams) -> Tensor:
        """diag sigma."""
        return torch.diag_embed(torch.exp(0.5 * params.log_var))


@MODELS.register_module()
class FullCovariance(Covariance):
    """N(mu, Sigma), a factor of the precision from the network.

    ``form='cholesky'``: Sigma^-1 = L L^T; ``fc_tril`` gives L's strictly lower entries
    row by row, ``fc_log_diag`` minus the log of its diagonal, as in the released code.
    Adds d_x (d + d (d-1)/2) weights.

    ``form='square'``: the poster's d + d^2 numbers (C), of which d are the mean.
    Sigma^-1 = A A^T, A = I + ``fc_square`` in units (the identity is ours [decided]:
    raw zeros are one unit, as in every covariance). A = L Q is brought to the same L,
    so that the density is the same function of it. Adds d_x d^2 weights.

    Args:
        form: 'cholesky' or 'square'.

    Other arguments: see :class:`Covariance`.

    Raises:
        ValueError: another form.
    """

    def __init__(self, *args: Any, form: str = 'cholesky', **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if form not in ('cholesky', 'square'):
            raise UserError(
                f"FullCovariance: form={form!r} is unknown; set 'cholesky' or 'square'"
            )
        self.form = form
        # A product with d such entries per row must not dwarf the diagonal.
        std = INITIAL_STD * self.dim**-0.5
        if form == 'square':
            self.fc_square = self.readout(self.dim**2, std)
            return
        rows, columns = torch.tril_indices(self.dim, self.dim, -1)
        diagonal = torch.arange(self.dim) * (self.dim + 1)
        self.fc_tril = self.readout(len(rows), std)
        self.fc_log_diag = self.readout(self.dim)
        entries = torch.cat([rows * self.dim + columns, diagonal])
        self.register_buffer('entries', entries, persistent=False)

    def params(self, token: Tensor) -> CovarianceParams:
        """L and minus the log of its diagonal."""
        if self.form == 'square':
            return self._params_of_square(token)
        lower = self.fc_tril(token) * math.exp(-self.log_unit)
        log_diag = self.fc_log_diag(token) + self.log_unit
        entries = torch.cat([lower, torch.exp(-log_diag)], -1)
        factor = entries.new_zeros(*entries.shape[:-1], self.dim**2)
        factor = factor.index_copy(-1, self.entries, entries)
        return CovarianceParams(
            factor=factor.unflatten(-1, (self.dim, self.dim)), log_diag=log_diag
        )

    def _params_of_square(self, token: Tensor) -> CovarianceParams:
        """A^T = Q R, so A A^T = R^T R: L is R^T with a positive diagonal."""
        square = self.fc_square(token).unflatten(-1, (self.dim, self.dim))
        square = square + torch.eye(self.dim).to(square)
        upper = torch.linalg.qr(square.mT).R
        diagonal = upper.diagonal(dim1=-2, dim2=-1)
        signs = torch.where(diagonal < 0, -1.0, 1.0).to(upper)
        factor = (upper * signs[..., None]).mT * math.exp(-self.log_unit)
        log_diag = self.log_unit - torch.log(diagonal * signs)
        return CovarianceParams(factor=factor, log_diag=log_diag)

    def root(self, params: CovarianceParams) -> Tensor:
        """L^-T: L^-T L^-1 is the covariance."""
        identity = torch.eye(self.dim).to(params.factor)
        return torch.linalg.solve_triangular(params.factor.mT, identity, upper=True)
