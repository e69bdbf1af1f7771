"""Pictures: meshes over images, auxiliary maps, skeletons."""

from .hand_visualizer import HandMeshVisualizer
from .mesh_renderer import (
    HAND_COLORS,
    Surface,
    orthographic_surface,
    perspective_surface,
    render_mesh,
    render_overlay,
)

__all__ = [
    'HAND_COLORS',
    'HandMeshVisualizer',
    'Surface',
    'orthographic_surface',
    'perspective_surface',
    'render_mesh',
    'render_overlay',
]
