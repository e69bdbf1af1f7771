"""The hand: MANO layer, files, and the embedded CC0 hand."""

from .cc0_hand import load_cc0_hand
from .hand_pair import (
    HandMesh,
    HandPair,
    build_hand_model,
    build_single_hand,
    hand_fingerprint,
)
from .mano_file import read_mano
from .mano_layer import MANOLayer
from .single_hand import SingleHand
from .vertex_parts import part_labels, rest_coordinates

__all__ = [
    'HandMesh',
    'HandPair',
    'MANOLayer',
    'SingleHand',
    'build_hand_model',
    'build_single_hand',
    'hand_fingerprint',
    'load_cc0_hand',
    'part_labels',
    'read_mano',
    'rest_coordinates',
]
