"""MMPose's own visualiser with any NumPy."""

import numpy as np
import pytest

import mmhand_dne


def canvas(backend):
    """MMPose's own visualiser with a black picture."""
    assert mmhand_dne.__version__  # before MMPose, which it makes importable
    from mmpose.visualization import PoseLocalVisualizer

    visualizer = PoseLocalVisualizer(backend=backend)
    visualizer.set_image(np.zeros((32, 32, 3), np.uint8))
    return visualizer


@pytest.mark.parametrize('alpha', [1.0, 0.8])
def test_mmpose_draws_a_dot_of_a_radius_in_an_array(alpha):
    visualizer = canvas('opencv')
    visualizer.draw_circles(
        np.array([16, 12]), np.array([4]), face_colors=(255, 0, 0), alpha=alpha
    )
    image = visualizer.get_image()
    assert image[12, 16, 0] == round(255 * alpha) and image[12, 22].max() == 0
    assert 40 < (image[..., 0] > 0).sum() < 70  # of 16 pi


def test_matplotlib_keeps_arrays_of_radii():
    visualizer = canvas('matplotlib')
    visualizer.draw_circles(np.array([[8, 8], [24, 24]]), np.array([3, 5]))
    assert visualizer.get_image().shape == (32, 32, 3)
