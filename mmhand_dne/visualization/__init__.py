"""Pictures: of data samples, of results, of meshes over images.

``canvas`` has what everything is drawn with, ``panel`` the panels of a data sample,
``results`` the pictures of a result, ``report`` the page of many. ``canvas`` uses none
of the others, ``panel`` and ``results`` use the canvas, and ``report`` uses the results
too.
"""

from .canvas.mesh_renderer import (
    HAND_COLORS,
    Surface,
    orthographic_surface,
    perspective_surface,
    render_mesh,
    render_overlay,
)
from .panel.ground_truth_panel import draw_ground_truth
from .panel.hand_visualizer import HandMeshVisualizer
from .results.hand_tiles import draw_hand_tiles
from .results.result_pictures import draw_result
from .results.result_views import run_span

__all__ = [
    'HAND_COLORS',
    'HandMeshVisualizer',
    'Surface',
    'draw_ground_truth',
    'draw_hand_tiles',
    'draw_result',
    'run_span',
    'orthographic_surface',
    'perspective_surface',
    'render_mesh',
    'render_overlay',
]
