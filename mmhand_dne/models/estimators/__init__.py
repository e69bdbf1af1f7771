from .adversarial_hand_mesh_estimator import AdversarialHandMeshEstimator
from .hand_mesh_estimator import HandMeshEstimator

__all__ = ['AdversarialHandMeshEstimator', 'HandMeshEstimator']
