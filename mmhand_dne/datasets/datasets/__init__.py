from .cached_hand_dataset import CachedHandDataset
from .freihand_mesh_dataset import FreiHANDMeshDataset
from .ho3d_mesh_dataset import HO3DMeshDataset
from .interhand_mesh_dataset import InterHandMeshDataset
from .landmarked_photo_dataset import LandmarkedPhotoDataset
from .mixed_hand_dataset import MixedHandDataset
from .single_hand_dataset import SingleHandDataset

__all__ = [
    'CachedHandDataset',
    'FreiHANDMeshDataset',
    'HO3DMeshDataset',
    'InterHandMeshDataset',
    'LandmarkedPhotoDataset',
    'MixedHandDataset',
    'SingleHandDataset',
]
