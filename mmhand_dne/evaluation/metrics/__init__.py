from .hand_mesh_metric import HandMeshMetric

__all__ = ['HandMeshMetric']
