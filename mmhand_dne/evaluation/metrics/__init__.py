from .dump_predictions import DumpPredictions
from .freihand_metric import FreiHANDMetric
from .hand_mesh_metric import HandMeshMetric
from .ho3d_metric import HO3DMetric
from .protocols import MCPScaledProtocol, WristProtocol
from .sparsification_metric import SparsificationMetric

__all__ = [
    'DumpPredictions',
    'FreiHANDMetric',
    'HO3DMetric',
    'HandMeshMetric',
    'MCPScaledProtocol',
    'SparsificationMetric',
    'WristProtocol',
]
