from .freihand_mesh import FreiHANDMeshDataset
from .ho3d_mesh import HO3DMeshDataset
from .interhand_mesh import InterHandMeshDataset
from .mixed_hands import MixedHandDataset
from .single_hand import SingleHandDataset

__all__ = [
    'FreiHANDMeshDataset',
    'HO3DMeshDataset',
    'InterHandMeshDataset',
    'MixedHandDataset',
    'SingleHandDataset',
]
