"""A rendered hand that moves: smooth, where its ground truth says, repeatable."""

import numpy as np
import pytest

from mmhand_dne.datasets.synthetic import HandModels, Recipe
from mmhand_dne.datasets.synthetic.motion import render_motion, sample_motion

RECIPE = Recipe(
    seed=3,
    image_size=(96, 72),
    cameras=1,
    interacting_share=0.0,
    occlusion_share=1.0,
    max_turn=35,
    camera_spread=20,
)
FPS = 10.0


@pytest.fixture(scope='module')
def models():
    return HandModels()


@pytest.fixture(scope='module')
def hands(models):
    return sample_motion(RECIPE, models, 'left', 0, 24, FPS)


@pytest.fixture(scope='module')
def frames(models, hands):
    return list(render_motion(RECIPE, models, hands[:12], 0, FPS))


def test_motion_is_smooth_and_keeps_its_shape(hands):
    vertices = np.stack([hand.vertices.double().numpy() for hand in hands])
    step = np.linalg.norm(np.diff(vertices, axis=0), axis=-1).max(1)
    bend = np.linalg.norm(np.diff(vertices, 2, axis=0), axis=-1).max(1)
    assert step.mean() > 0.005  # metres a frame: it does move
    assert bend.max() < 0.6 * step.max()  # random poses in a row give about twice
    assert all((hand.shape == hands[0].shape).all() for hand in hands)
    assert {hand.side for hand in hands} == {'left'}


def test_ground_truth_is_where_the_picture_shows_the_hand(frames):
    for one in frames:
        pixels = one.vertices_cam @ one.intrinsics.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        assert (one.joints_cam[:, 2] > 0.3).all()
        low, high = pixels.min(0), pixels.max(0)
        assert (low <= one.box[:2] + 1).all() and (high >= one.box[2:] - 1).all()
    # Light and background stay: what changes lies about the hand and what passes.
    change = np.abs(frames[0].image.astype(int) - frames[1].image).max(-1) > 40
    rows, columns = np.nonzero(change)
    middle = (frames[0].box[:2] + frames[0].box[2:]) / 2
    reach = 2 * (frames[0].box[2:] - frames[0].box[:2]).max()
    assert (np.abs(columns - middle[0]) < reach).all()
    assert (np.abs(rows - middle[1]) < reach).all()


def test_something_passes_for_a_part_of_the_time(frames):
    hidden = [one.hidden for one in frames]
    assert not hidden[0] and any(hidden) and hidden.count(True) <= 9


def test_the_same_seed_gives_the_same_frames(models, hands, frames):
    again = next(render_motion(RECIPE, models, hands[:1], 0, FPS))
    np.testing.assert_array_equal(again.image, frames[0].image)
