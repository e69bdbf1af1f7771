"""Pictures: meshes over images, auxiliary maps, skeletons."""

from .canvas.mesh_renderer import (
    HAND_COLORS,
    Surface,
    orthographic_surface,
    perspective_surface,
    render_mesh,
    render_overlay,
)
from .panel.hand_visualizer import HandMeshVisualizer

__all__ = [
    'HAND_COLORS',
    'HandMeshVisualizer',
    'Surface',
    'orthographic_surface',
    'perspective_surface',
    'render_mesh',
    'render_overlay',
]
