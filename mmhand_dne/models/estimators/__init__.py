from .hand_mesh_estimator import HandMeshEstimator

__all__ = ['HandMeshEstimator']
