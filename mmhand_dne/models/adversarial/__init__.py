"""HaMeR's adversarial prior: is a regressed hand one that people make."""

from .mano_prior_discriminator import MANOPriorDiscriminator
from .real_hands import RealHands

__all__ = ['MANOPriorDiscriminator', 'RealHands']
