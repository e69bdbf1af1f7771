import numpy as np
import pytest
import torch

from mmhand_dne.models.backbones import MediaPipeHandNet
from mmhand_dne.models.layers import LandmarkReadout


def test_levels_halve_from_stride_4_to_32():
    levels = MediaPipeHandNet()(torch.rand(2, 3, 96, 64))
    assert [tuple(level.shape) for level in levels] == [
        (2, 24, 24, 16),
        (2, 40, 12, 8),
        (2, 112, 6, 4),
        (2, 192, 3, 2),
        (2, 1152, 3, 2),
    ]


def test_there_are_as_many_parameters_as_the_originals():
    parts = MediaPipeHandNet(), LandmarkReadout()
    assert sum(p.numel() for part in parts for p in part.parameters()) == 2_715_680


@pytest.mark.parametrize('frozen', [False, True])
def test_gradients_reach_every_parameter_unless_frozen(frozen):
    net = MediaPipeHandNet(frozen_levels=5 if frozen else 0)
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    sum(level.square().mean() for level in net(image)).backward()
    assert image.grad is not None
    assert all((p.grad is None) == frozen for p in net.parameters())


def test_a_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r'\(224, 200\).*multiples of 32'):
        MediaPipeHandNet()(torch.rand(1, 3, 224, 200))


def test_landmarks_are_counted_from_the_centre_of_the_first_pixel():
    readout = LandmarkReadout(3)
    torch.nn.init.zeros_(readout.points.weight)
    torch.nn.init.constant_(readout.points.bias, 112.0)  # the middle of 224 pixels
    read = readout(torch.rand(2, 3))
    np.testing.assert_allclose(read.points[..., :2].detach(), 111.5)
    np.testing.assert_allclose(read.points[..., 2].detach(), 112.0)
    assert read.world.shape == (2, 21, 3)
    assert read.right_logits.shape == read.presence_logits.shape == (2,)


def test_the_first_levels_can_be_frozen_alone():
    net = MediaPipeHandNet(frozen_levels=2)
    trained = {
        name.split('.')[1]
        for name, p in net.named_parameters()
        if p.requires_grad and name.startswith('blocks')
    }
    assert trained == {str(block) for block in range(5, 15)}
    assert not any(p.requires_grad for p in net.stem.parameters())
    assert all(p.requires_grad for p in net.last.parameters())
