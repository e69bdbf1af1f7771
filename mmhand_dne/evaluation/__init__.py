from .metrics import HandMeshMetric

__all__ = ['HandMeshMetric']
