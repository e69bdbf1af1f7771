"""HaMeR's training with a discriminator of poses and shapes."""

from typing import Any

import numpy as np
from mmengine.optim import OptimWrapperDict
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.models.adversarial.mano_prior_discriminator import (
    discriminator_loss,
    generator_loss,
)
from mmhand_dne.structures.hand_state import HandOutputs

from .hand_mesh_estimator import HandMeshEstimator


@MODELS.register_module()
class AdversarialHandMeshEstimator(HandMeshEstimator):
    """:class:`HandMeshEstimator` that also learns to look real (HaMeR Sec. 3).

    A step trains the model first, against the discriminator as it is, then the
    discriminator on the same predictions. Needs ``optim_wrapper`` with
    ``constructor='AdversarialOptimWrapperConstructor'``; for one process.

    Args:
        discriminator: judge of hands, see :class:`MANOPriorDiscriminator`.
        real_hands: what it takes for real, see :class:`RealHands`.
        adversarial_weight: of the adversarial terms of both.

    Other arguments: see :class:`HandMeshEstimator`.
    """

    def __init__(
        self,
        *args: Any,
        discriminator: dict = dict(type='MANOPriorDiscriminator'),
        real_hands: dict = dict(type='RealHands', source='batch'),
        adversarial_weight: float = 5e-4,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.discriminator = MODELS.build(discriminator)
        self.real_hands = MODELS.build(real_hands)
        self.adversarial_weight = adversarial_weight
        self._regressed: tuple[Tensor, Tensor] | None = None

    def run_heads(self, inputs: Tensor, keys: np.ndarray | None = None) -> HandOutputs:
        """See :class:`HandMeshEstimator`; remembers the regressed hands."""
        outputs = super().run_heads(inputs, keys)
        if self.training:
            coarse = outputs.coarse  # (B, 1, ...) -> (B, ...)
            self._regressed = (
                coarse.rotations[..., 1:, :, :].flatten(0, 1),
                coarse.betas.flatten(0, 1),
            )
        return outputs

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The supervised losses and ``loss_adversarial``."""
        losses = super().loss(inputs, data_samples)
        judged = self.discriminator(*self._regressed)
        losses['loss_adversarial'] = self.adversarial_weight * generator_loss(judged)
        return losses

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapperDict
    ) -> dict[str, Tensor]:
        """Step the model, then the discriminator; returns the losses to log.

        Args:
            optim_wrapper: with ``generator`` and ``discriminator``.
        """
        data = self.data_preprocessor(data, True)
        wrapper = optim_wrapper['generator']
        self.discriminator.requires_grad_(False)
        try:
            with wrapper.optim_context(self):
                losses = self._run_forward(data, mode='loss')
            total, log = self.parse_losses(losses)
            wrapper.update_params(total)
        finally:
            self.discriminator.requires_grad_(True)
        wrapper = optim_wrapper['discriminator']
        with wrapper.optim_context(self):
            judged = self.discriminator_loss(data['data_samples'])
        wrapper.update_params(judged)
        return {**log, 'discriminator': judged.detach()}

    def discriminator_loss(self, data_samples: list) -> Tensor:
        """The discriminator's loss on the hands that the last forward regressed."""
        rotations, betas = (value.detach() for value in self._regressed)
        self._regressed = None
        targets = self.targets_of(data_samples, rotations.device)
        known = targets.mano_valid > 0
        real = self.real_hands.draw(
            2 * len(rotations), targets.rotations[known][:, 1:], targets.betas[known]
        )
        return self.adversarial_weight * discriminator_loss(
            self.discriminator(rotations, betas), self.discriminator(*real)
        )
