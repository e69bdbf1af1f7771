from .finest_fpn import FinestFPN
from .three_view_voxel_neck import ThreeViewVoxelNeck

__all__ = ['FinestFPN', 'ThreeViewVoxelNeck']
