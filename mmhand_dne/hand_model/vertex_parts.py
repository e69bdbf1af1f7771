"""What every vertex of the hand carries: its part, its position on the rest pose."""

import torch
from torch import Tensor

from mmhand_dne.conventions import MIRROR_POINTS

from .hand_pair import HandPair
from .mano_layer import MANOLayer


def part_labels(layer: MANOLayer) -> Tensor:
    """Part of each vertex: the joint with the largest skinning weight.

    Returns: (V,) int64 in 0..15, MANO joint order (0 the palm).
    """
    return layer.weights.argmax(dim=1)


def rest_coordinates(pair: HandPair) -> Tensor:
    """Position of each vertex in the cube around the right hand at rest.

    The cube is centred on the bounding box of the flat right hand (betas 0) and as wide
    as its largest extent, so that one unit is the same length on every axis and the
    shorter axes stay inside. The left hand is mirrored across x = 0 at the wrist first,
    which brings the same point of either hand to the same coordinates; a left model
    that is not an exact mirror is clamped to the cube [decided].

    Returns: (2, V, 3) in [0, 1].
    """
    right, left = (
        hand.v_template - (hand.J_regressor[:1] @ hand.v_template)
        for hand in (pair.right, pair.left)
    )
    low, high = right.amin(0), right.amax(0)
    corner = (low + high) / 2 - (high - low).max() / 2
    signs = torch.stack([left.new_full((), sign) for sign in MIRROR_POINTS])
    both = torch.stack([right, left * signs])
    return ((both - corner) / (high - low).max()).clamp(0, 1)
