"""Inference on crops that are not square: mirrors, and cameras of smoothed tracks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmhand_dne.apis.crops import to_image
from mmhand_dne.apis.temporal.track_camera import moved_camera, views_of
from mmhand_dne.geometry.camera import ndc_to_pixels
from tests.tiny_inferencers import (
    DNE,
    SHAPED,
    SHAPES,
    mirrored,
    noise_image,
    tiny_inferencer,
)


def test_a_mirrored_photo_gives_mirrored_hands(folder):
    tall = tiny_inferencer(DNE, folder, flip_test=True, cfg_options=SHAPED[DNE])
    image, (x0, y0, x1, y1) = noise_image(), [31.3, 22.7, 144.1, 130.9]
    results = tall.results(
        [image, mirrored(image)],
        bboxes=[[dict(box=[x0, y0, x1, y1])], [dict(box=[199 - x1, y0, 199 - x0, y1])]],
        presence_thr=0.0,
    )
    hands, twins = ({hand.side: hand for hand in found.hands} for found in results)
    for side, twin in (('right', twins['left']), ('left', twins['right'])):
        gap = twin.vertices * [-1, 1, 1] - hands[side].vertices
        assert np.abs(gap).max() < 1e-3
        back = twin.vertices_2d * [-1, 1] + [199, 0]
        assert np.abs(back - hands[side].vertices_2d).max() < 0.5


def shown(hand, size, turn):
    """(V, 2) pixels of the image, through the hand's crop camera."""
    flat = (hand.vertices @ turn.T)[:, :2] * hand.crop_camera[:, 0]
    ndc = torch.from_numpy(flat + hand.crop_camera[:, 1]).double()
    return to_image(ndc_to_pixels(ndc, size).numpy(), hand.crop_affine)


@pytest.mark.parametrize('angle', [0.0, 20.0])
@pytest.mark.parametrize(('name', 'size'), [('dne', 128), ('tall_dne', SHAPES[DNE])])
def test_the_crops_camera_follows_the_view(request, name, size, angle):
    inferencer = request.getfixturevalue(name)
    box = dict(box=[31, 22, 144, 131], angle=angle)
    [result] = inferencer.results(noise_image(), bboxes=[box], presence_thr=0.0)
    hand = replace(result.hands[0], translation=np.float32([0, 0, 0.5]))
    linear = hand.crop_affine[:, :2].astype(float)
    turn = np.eye(3)
    turn[:2, :2] = linear / np.sqrt(np.linalg.det(linear))
    # One scale for both axes, as a trained model nearly has.
    camera = hand.crop_camera.copy()
    sides = np.array([size, size] if isinstance(size, int) else size)
    camera[:, 0] = 400.0 / sides
    hand = replace(hand, crop_camera=camera)
    before = views_of(hand.vertices[None].astype(float), shown(hand, size, turn)[None])
    after = before.changed(before.wrist + [[7.0, -4.0]], before.log_scale + 0.1)
    moved = moved_camera(hand, before, after)
    expected = after.project(hand.vertices[None].astype(float))[0]
    np.testing.assert_allclose(shown(moved, size, turn), expected, atol=0.01)
