from .metrics import HandMeshMetric, SparsificationMetric

__all__ = ['HandMeshMetric', 'SparsificationMetric']
