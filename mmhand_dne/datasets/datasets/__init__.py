from .interhand_mesh import InterHandMeshDataset

__all__ = ['InterHandMeshDataset']
