from .metrics import (
    FreiHANDMetric,
    HandMeshMetric,
    HO3DMetric,
    SparsificationMetric,
)

__all__ = ['FreiHANDMetric', 'HO3DMetric', 'HandMeshMetric', 'SparsificationMetric']
