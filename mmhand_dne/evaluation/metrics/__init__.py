from .freihand_metric import FreiHANDMetric
from .hand_mesh_metric import HandMeshMetric
from .ho3d_metric import HO3DMetric
from .sparsification_metric import SparsificationMetric

__all__ = ['FreiHANDMetric', 'HO3DMetric', 'HandMeshMetric', 'SparsificationMetric']
