from .evaluators import HandSetsEvaluator
from .metrics import (
    DumpPredictions,
    FreiHANDMetric,
    HandMeshMetric,
    HandPresenceMetric,
    HO3DMetric,
    SparsificationMetric,
)

__all__ = [
    'DumpPredictions',
    'FreiHANDMetric',
    'HO3DMetric',
    'HandMeshMetric',
    'HandPresenceMetric',
    'HandSetsEvaluator',
    'SparsificationMetric',
]
