from .hand_mesh_metric import HandMeshMetric
from .sparsification_metric import SparsificationMetric

__all__ = ['HandMeshMetric', 'SparsificationMetric']
