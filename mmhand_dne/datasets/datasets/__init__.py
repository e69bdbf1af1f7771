from .freihand_mesh import FreiHANDMeshDataset
from .ho3d_mesh import HO3DMeshDataset
from .interhand_mesh import InterHandMeshDataset

__all__ = ['FreiHANDMeshDataset', 'HO3DMeshDataset', 'InterHandMeshDataset']
