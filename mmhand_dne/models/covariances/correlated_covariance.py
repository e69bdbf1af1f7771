"""The correlation-aware covariance: one linear map shared by all images."""

from typing import Any

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.gaussian.mixing import (
    MixingFactors,
    absorb,
    check_condition,
    compose,
    from_mixing,
    unit_columns,
)

from .covariance import DiagonalCovariance

VARIANCES = ('mixed', 'apart')
READERS = ('unit_mixing', 'correlation')  # what a state dict holds besides, of each


@MODELS.register_module()
class CorrelatedCovariance(DiagonalCovariance):
    """N(mu, W diag(sigma^2) W^T): y = mu + W z, z independent (CAU, poster Sec. 3).

    sigma comes from the token, W is a parameter shared by all images (of a slot). Adds
    d_x d + d^2 weights. Training starts at W = I, the diagonal model [decided].

    ``variances='apart'`` is ours: N(mu, diag(sigma) W W^T diag(sigma)), one correlation
    W W^T for all images, and variances that no other joint's sigma enters. The same
    weights.

    W is trained by relative steps: ``lower_upper`` is what an optimiser did to W since
    the last forward of training, which multiplies it into ``base`` and sets it to 0
    (:mod:`mixing`). Along the factors of W itself, plain Adam needs far more steps
    [decided]. What this means for a training:

    - Weight decay of ``lower_upper`` pulls it towards 0, where it starts: it does not
      pull W towards the identity.
    - An average of parameters (EMA) averages the last steps only. With buffers copied,
      MMEngine's default, the averaged model has the newest W; with
      ``update_buffers=True`` it averages W^-1 itself, but then ``base_log_det``, which
      only the NLL's value needs, is not quite its log-determinant.
    - The optimiser must change the parameter itself, not a copy in other precision
      (DeepSpeed), and not put it back to an earlier value (SAM, L-BFGS).

    State dict, besides ``fc_log_var``: ``lower_upper`` (d, d), ``base`` (d, d) and
    ``base_log_det`` (), see :class:`MixingFactors`; and for readers ``unit_mixing``
    (d, d), W with unit columns, or ``correlation`` (d, d) if the variances are apart,
    of which a loading model reads the name alone; each with a first dim S if there are
    several slots. ``lower_upper`` is saved as it is, and
    ``base`` keeps W's free scale, so that a resumed run goes on to the bit [decided].

    An ill-conditioned W (:func:`check_condition`) raises when it is reported, saved or
    loaded, and every ``check_interval`` training steps: checking each step would cost
    more than the step.

    Args:
        linear: False freezes W = I, the papers' ablation "without linear": the
            diagonal covariance under the other name, with no W at all.
        train_mixing: False keeps W as it is, which ``mode='released'`` of the loss
            needs.
        initial_mixing: 'identity', or 'released' for that code's U(+-1/sqrt d).
        variances: 'mixed', the paper's, or 'apart'.

    Other arguments: see :class:`Covariance`.

    Example:
        >>> part = CorrelatedCovariance(1024, dim=60, unit=0.02)
        >>> hand = part.gaussian(part(torch.randn(8, 1024)), torch.zeros(8, 20, 3))
        >>> index_tip_given_wrist_side = hand.conditional([4], torch.zeros(8, 1, 3))
    """

    whole_parameters = ('lower_upper',)  # in each process of a ShardedModel

    def __init__(
        self,
        *args: Any,
        linear: bool = True,
        train_mixing: bool = True,
        initial_mixing: str = 'identity',
        check_interval: int = 500,
        variances: str = 'mixed',
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if initial_mixing not in ('identity', 'released') or check_interval < 1:
            raise UserError(
                f'CorrelatedCovariance: initial_mixing={initial_mixing!r} is '
                f"'identity' or 'released', check_interval={check_interval} at least 1"
            )
        if variances not in VARIANCES or (variances == 'apart' and not linear):
            raise UserError(
                f"CorrelatedCovariance: variances={variances!r} is 'mixed' or 'apart', "
                f"'apart' with linear=True; linear is {linear}"
            )
        self.linear, self.check_interval, self._steps = linear, check_interval, 0
        self.apart = variances == VARIANCES[True]
        if not linear:
            return
        shape = (self.dim,) if self.num_slots == 1 else (self.num_slots, self.dim)
        self.lower_upper = nn.Parameter(
            torch.zeros(*shape, self.dim), requires_grad=train_mixing
        )
        base = torch.eye(self.dim).expand(*shape, self.dim).clone()
        self.register_buffer('base', base)
        self.register_buffer('base_log_det', torch.zeros(shape[:-1]))
        if initial_mixing == 'released':
            bound = self.dim**-0.5
            self.set_mixing(torch.empty(*shape, self.dim).uniform_(-bound, bound))

    @property
    def factors(self) -> MixingFactors:
        """The factors of W^-1 as they are."""
        return MixingFactors(self.lower_upper, self.base, self.base_log_det)

    def params(self, token: Tensor) -> CovarianceParams:
        """Log variances of z, and the factors of W^-1.

        In training the last step is taken into ``base`` first.
        """
        params = super().params(token)
        if not self.linear:
            return params
        params = params._replace(apart=self.apart)
        learning = self.lower_upper.requires_grad and torch.is_grad_enabled()
        if self.training and learning:
            self._absorb()
            self._steps += 1
            if self._steps % self.check_interval == 0:
                self._check(self.mixing())
            return params._replace(mixing=self.factors._replace(absorbed=True))
        return params._replace(mixing=self.factors)

    @torch.no_grad()
    def _absorb(self) -> None:
        """B <- L U B, L U <- I: W is the same. Nothing changes if nothing was learnt.

        B is replaced, not changed: the graph of an earlier forward holds the old one.
        """
        self.base, self.base_log_det = absorb(self.factors)
        self.lower_upper.zero_()

    def root(self, params: CovarianceParams) -> Tensor:
        """W diag sigma, or diag sigma W; one inverse for all images."""
        root = super().root(params)
        if not self.linear:
            return root
        mixing = torch.linalg.inv(compose(params.mixing)[0].double())
        self._check(mixing.detach())
        sigma = torch.exp(0.5 * params.log_var)
        return scaled(mixing.to(sigma.dtype), sigma, self.apart)

    @torch.no_grad()
    def mixing(self) -> Tensor:
        """W (d, d) or (S, d, d) as it is, scale included; float64 inside."""
        if not self.linear:
            return torch.eye(self.dim).to(self.fc_log_var.weight)
        double = MixingFactors(*(tensor.double() for tensor in self.factors[:3]))
        return torch.linalg.inv(compose(double)[0]).to(self.base.dtype)

    def unit_mixing(self) -> Tensor:
        """W with unit columns, for reports; raises if ill-conditioned.

        With ``variances='apart'`` with unit rows: W W^T is the correlation.
        """
        mixing = self.mixing()
        self._check(mixing)
        if self.apart:
            return unit_columns(mixing.mT)[0].mT
        return unit_columns(mixing)[0]

    def correlation(self) -> Tensor:
        """W W^T (d, d) or (S, d, d) with a unit diagonal: what all images share.

        Raises:
            ValueError: the variances are mixed, where it differs from image to image;
                :meth:`gaussian` has it.
        """
        if not self.apart:
            raise UserError(
                "CorrelatedCovariance has one correlation with variances='apart' only; "
                "else take an image's from gaussian()"
            )
        rows = self.unit_mixing()
        return rows @ rows.mT

    def _told(self) -> tuple[str, Tensor]:
        """Name and value of what a state dict has for its readers."""
        matrix = self.correlation() if self.apart else self.unit_mixing()
        return READERS[self.apart], matrix

    def _check(self, mixing: Tensor) -> None:
        """Raise if W is ill-conditioned whatever its free scales are."""
        check_condition(mixing.mT if self.apart else mixing)

    @torch.no_grad()
    def set_mixing(self, mixing: Tensor) -> None:
        """Take over any well-conditioned W (d, d) or (S, d, d) exactly."""
        if not self.linear:
            raise UserError(
                'CorrelatedCovariance(linear=False) has no W to set; '
                'build it with linear=True'
            )
        mixing = mixing.detach().to(self.lower_upper)
        if mixing.dim() == 2 and self.num_slots > 1:
            mixing = mixing.expand(self.num_slots, *mixing.shape)
        if mixing.shape != self.lower_upper.shape:
            raise UserError(
                f'W has shape {tuple(mixing.shape)}; expected '
                f'{tuple(self.lower_upper.shape)}'
            )
        step, self.base, self.base_log_det, _ = from_mixing(mixing)
        self.lower_upper.copy_(step)

    def _save_to_state_dict(
        self, destination: dict[str, Tensor], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.linear:
            name, matrix = self._told()
            destination[prefix + name] = matrix

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for apart, name in enumerate(READERS):
            found = state_dict.pop(prefix + name, None)
            if found is not None and self.linear and apart != self.apart:
                raise UserError(
                    f'{prefix}{name}: the weights are of variances='
                    f'{VARIANCES[apart]!r}, the model is built with '
                    f'{VARIANCES[self.apart]!r}; the same W would be another density'
                )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if self.linear:
            self._check(self.mixing())


def scaled(mixing: Tensor, sigma: Tensor, apart: bool) -> Tensor:
    """(..., d, d) root of the covariance: W diag sigma, ``apart`` diag sigma W."""
    return mixing * (sigma[..., :, None] if apart else sigma[..., None, :])
