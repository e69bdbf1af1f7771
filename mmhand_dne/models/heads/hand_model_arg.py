"""A head's ``hand_model`` argument: a config, or a module that several heads share."""

from mmpose.registry import MODELS
from torch import nn


def build_hand_model(hand_model: dict | nn.Module) -> nn.Module:
    """Build a :class:`HandPair` from a config; a module passes through."""
    if isinstance(hand_model, nn.Module):
        return hand_model
    return MODELS.build(hand_model)
