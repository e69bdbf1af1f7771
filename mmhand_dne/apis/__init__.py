"""Hands from images: inference, files, video."""

from .hand_mesh_inferencer import HandMeshInferencer

__all__ = ['HandMeshInferencer']
