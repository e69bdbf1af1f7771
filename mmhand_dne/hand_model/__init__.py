"""The hand: skeleton, MANO layer, files, and the embedded free hand."""

from .free_hand import load_free_hand
from .mano_file import read_mano
from .mano_layer import HandMesh, HandPair, MANOLayer
from .single_hand import SingleHand
from .skeleton import (
    HO3D_JOINTS,
    INTERHAND_JOINTS,
    MANO_JOINTS,
    OPENPOSE_JOINTS,
    TIP_VERTICES,
    WRIST,
    reorder,
)
from .surface import part_labels, rest_coordinates

__all__ = [
    'HO3D_JOINTS',
    'INTERHAND_JOINTS',
    'MANO_JOINTS',
    'OPENPOSE_JOINTS',
    'TIP_VERTICES',
    'WRIST',
    'HandMesh',
    'HandPair',
    'MANOLayer',
    'SingleHand',
    'load_free_hand',
    'part_labels',
    'read_mano',
    'reorder',
    'rest_coordinates',
]
