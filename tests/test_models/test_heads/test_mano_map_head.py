"""The baseline regressor's read-out and its start."""

import torch

from mmhand_dne.geometry.sampling import softmax_readout
from mmhand_dne.models.heads.mano_map_head import (
    READOUT_GAIN,
    MANOMapHead,
)
from mmhand_dne.models.layers.positions import with_positions
from tests.tiny_hand import TinyHand


def make_head():
    torch.manual_seed(0)
    return MANOMapHead(6, TinyHand(), mid_channels=8).eval()


def test_numbers_are_means_of_their_maps():
    head, features = make_head(), torch.randn(2, 6, 5, 7)
    torch.nn.init.normal_(head.parameter_maps.weight)
    torch.nn.init.normal_(head.parameter_maps.bias)
    found = head.read_parameters(features)[0]
    trunk = head.trunk(with_positions(features))
    maps = READOUT_GAIN * head.parameter_maps(with_positions(trunk))
    attention = head.attention_maps(trunk)
    for hand in range(2):
        for number in range(110):
            group = number // 6 if number < 96 else 16 if number < 106 else 17
            expected = softmax_readout(
                maps[:, None, 110 * hand + number, None],
                attention[:, 18 * hand + group, None],
            )
            torch.testing.assert_close(
                found[:, hand, number], expected[:, 0, 0], rtol=1e-4, atol=1e-4
            )


def test_training_starts_at_the_mean_pose_and_scale():
    coarse = make_head()(torch.randn(2, 6, 5, 7))
    eye = torch.eye(3).expand_as(coarse.rotations)
    torch.testing.assert_close(coarse.rotations, eye, rtol=0, atol=0.1)
    scale = coarse.state.camera[..., 0]
    start = torch.tensor([8.0 * 5 / 7, 8.0]).expand_as(scale)  # of a map 7 x 5
    torch.testing.assert_close(scale, start, rtol=0.1, atol=0)


def test_positions_are_cell_centres_in_ndc():
    place = with_positions(torch.zeros(1, 0, 2, 4))[0]
    torch.testing.assert_close(place[0, 0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))
    torch.testing.assert_close(place[1, :, 0], torch.tensor([-0.5, 0.5]))
