from .dump_predictions import DumpPredictions
from .hand_mesh_metric import HandMeshMetric
from .hand_presence_metric import HandPresenceMetric
from .official_metric import FreiHANDMetric, HO3DMetric
from .protocols import MCPScaledProtocol, WristProtocol
from .sparsification_metric import SparsificationMetric

__all__ = [
    'DumpPredictions',
    'FreiHANDMetric',
    'HO3DMetric',
    'HandMeshMetric',
    'HandPresenceMetric',
    'MCPScaledProtocol',
    'SparsificationMetric',
    'WristProtocol',
]
