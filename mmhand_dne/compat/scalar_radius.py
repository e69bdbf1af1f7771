"""MMPose's dots where NumPy makes no number of an array of one."""

from functools import wraps
from typing import Any

import numpy as np


def install_scalar_radius() -> None:
    """Let MMPose draw keypoints with NumPy 2.5 and later.

    Symptom, with ``PoseLocalVisualizer``'s default back end: "only 0-dimensional arrays
    can be converted to Python scalars". MMPose hands radii of shape (1,) to ``int``.
    """
    from mmpose.visualization.opencv_backend_visualizer import OpencvBackendVisualizer

    draw = OpencvBackendVisualizer.draw_circles
    if getattr(draw, 'takes_one', False):
        return

    @wraps(draw)
    def draw_circles(self: Any, center: Any, radius: Any, *args: Any, **kwargs: Any):
        if self.backend == 'opencv' and np.size(radius) == 1:
            radius = np.asarray(radius).item()
        return draw(self, center, radius, *args, **kwargs)

    draw_circles.takes_one = True
    OpencvBackendVisualizer.draw_circles = draw_circles
