"""HaMeR's own camera: pixel size/2 is its axis, the depth is that of MANO's origin."""

import numpy as np
import pytest
import torch

from mmhand_dne.apis.read_predictions import PredictionReader
from mmhand_dne.hand_model import MANOLayer
from tests.tiny_inferencers import HAMER, SIZE, noise_image, tiny_inferencer

BOX, FOCAL, PRINCIPAL = [31, 22, 144, 131], 310.0, np.array([95.0, 81.0])


@pytest.fixture(scope='module')
def official(folder):
    inferencer = tiny_inferencer(HAMER, folder)
    inferencer.model.mano_head.official_camera = True
    inferencer.reader = PredictionReader(inferencer.model)
    return inferencer


def infer(inferencer, side):
    """The hand, and the raw s, t_x, t_y that the head gave."""
    raw = []
    hook = inferencer.model.mano_head.register_forward_hook(
        lambda head, inputs, outputs: raw.append(outputs.weak_camera[0, 0].double())
    )
    intrinsics = [FOCAL, FOCAL, *PRINCIPAL]
    [result] = inferencer.results(
        noise_image(), bboxes=[BOX], side=side, intrinsics=intrinsics
    )
    hook.remove()
    return result.hands[0], raw[-1].numpy()


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_hand_stands_where_hamers_demo_puts_it(official, side):
    """cam_crop_to_full of its demo with the true camera, a left hand's t_x negated."""
    hand, (scale, tx, ty) = infer(official, side)
    affine = hand.crop_affine.astype(float)
    width = SIZE / np.sqrt(np.linalg.det(affine[:, :2]))  # of the box, pixels
    # Of the box, in HaMeR's sense: what is at pixel size/2, in a mirrored crop of a
    # left hand counted from its other side.
    middle = np.array([SIZE / 2 if side == 'right' else SIZE / 2 - 1, SIZE / 2])
    centre = np.linalg.solve(affine[:, :2], middle - affine[:, 2])
    sign = 1 if side == 'right' else -1
    shift = np.array([sign * tx, ty]) + 2 * (centre - PRINCIPAL) / (width * scale)
    expected = [*shift, 2 * FOCAL / (width * scale)]
    assert hand.mano.transl == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_its_parameters_and_its_mesh_agree(official, side):
    hand, _ = infer(official, side)
    layer = MANOLayer(side)
    pose = np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
    rotations = layer.absolute_pose(torch.tensor(pose), mean=False)
    with torch.no_grad():
        mesh = layer(rotations, torch.tensor(hand.mano.betas)).numpy()
    gap = mesh + hand.mano.transl - hand.vertices - hand.translation
    assert np.abs(gap).max() < 1e-5


def test_it_is_a_switch_of_half_a_pixel(official):
    """Of the crop, and of the place in depth; a mesh is the same."""
    hand, _ = infer(official, 'right')
    head = official.model.mano_head
    head.official_camera = False
    reader, official.reader = official.reader, PredictionReader(official.model)
    try:
        other, _ = infer(official, 'right')
    finally:
        head.official_camera, official.reader = True, reader
    assert (hand.vertices == other.vertices).all()
    moved = (hand.joints_2d - other.joints_2d) @ hand.crop_affine[:, :2].T
    assert moved == pytest.approx(np.full_like(moved, 0.5), abs=1e-3)
    assert abs(hand.translation - other.translation)[2] > 1e-3
