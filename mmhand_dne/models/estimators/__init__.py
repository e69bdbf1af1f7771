from .adversarial_hand_mesh_estimator import AdversarialHandMeshEstimator
from .hand_mesh_estimator import HandMeshEstimator
from .keypoint_mesh_estimator import KeypointMeshEstimator

__all__ = [
    'AdversarialHandMeshEstimator',
    'HandMeshEstimator',
    'KeypointMeshEstimator',
]
