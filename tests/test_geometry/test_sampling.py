"""Bilinear reads and spatial softmax."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from mmhand_dne.geometry.sampling import (
    ROW_CHANNELS,
    bilinear,
    gather_bilinear,
    ready_to_read,
    softmax_readout,
)


def grid(h=5, w=7, channels=3):
    return torch.randn(
        2,
        channels,
        h,
        w,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )


def test_cell_centres_are_read_exactly():
    features = grid()
    points = torch.tensor(
        [
            [(2 * j + 1) / 7 - 1, (2 * i + 1) / 5 - 1]
            for i in range(5)
            for j in range(7)
        ],
        dtype=torch.float64,
    )
    read = bilinear(features, points.expand(2, -1, 2))
    torch.testing.assert_close(read, features.flatten(2).mT)


def test_gather_equals_grid_sample_also_outside():
    features = grid().requires_grad_()
    points = (
        3
        * torch.rand(
            2, 200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
        )
        - 1.5
    )
    points.requires_grad_()
    weight = torch.randn(2, 200, 3, dtype=torch.float64)
    results = []
    for read in (bilinear, gather_bilinear):
        value = read(features, points)
        grads = torch.autograd.grad((value * weight).sum(), (features, points))
        results.append((value, *grads))
    for ours, reference in zip(results[1], results[0]):
        torch.testing.assert_close(ours, reference)


def wide_map(height=5, width=7):
    """Features (2, C, h, w) that training on a CPU reads by rows, and (2, 200, 2)."""
    draw = torch.Generator().manual_seed(2)
    shape = (2, ROW_CHANNELS, height, width)
    features = torch.randn(*shape, dtype=torch.float64, generator=draw)
    points = 3 * torch.rand(2, 200, 2, dtype=torch.float64, generator=draw) - 1.5
    return features.requires_grad_(), points.requires_grad_()


def operators_of(work):
    """Names of the operators that a function calls."""
    with torch.profiler.profile() as profile:
        work()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize('size', [(5, 7), (1, 7), (5, 1)])
@pytest.mark.parametrize('prepare', [ready_to_read, lambda features: features])
def test_training_on_a_cpu_reads_rows_as_grid_sample_reads_channels(size, prepare):
    features, points = wide_map(*size)
    weight = torch.randn(2, 200, ROW_CHANNELS, dtype=torch.float64)
    results = []
    for read in (
        lambda: bilinear(prepare(features), points),
        lambda: (
            F.grid_sample(
                features, points[:, :, None], padding_mode='border', align_corners=False
            )
            .squeeze(-1)
            .mT
        ),
    ):
        value = read()
        grads = torch.autograd.grad((value * weight).sum(), (features, points))
        results.append((value, *grads))
    for ours, reference in zip(*results):
        torch.testing.assert_close(ours, reference)


def test_rows_are_read_where_that_is_faster_and_only_there():
    features, points = wide_map()
    assert 'aten::grid_sampler' not in operators_of(partial(bilinear, features, points))
    narrow = features[:, 1:]  # 32 and fewer channels: rows are slower
    for other in (narrow, features.detach()):
        called = operators_of(partial(bilinear, other, points))
        assert 'aten::grid_sampler' in called and ready_to_read(other) is other
    read = operators_of(partial(bilinear, ready_to_read(features), points))
    assert not read & {'aten::clone', 'aten::contiguous'}  # laid out once, not a read


def test_a_point_that_is_no_number_spoils_its_own_read_only():
    features, points = wide_map()
    points = points.detach().clone()
    points[0, 3, 1] = torch.nan
    read = bilinear(features, points)
    spoilt = read.isnan().all(-1)
    assert spoilt[0, 3] and spoilt.sum() == 1 and read.isnan().any(-1).sum() == 1


def test_softmax_readout_is_the_value_at_a_sharp_peak():
    values = torch.randn(1, 2, 3, 4, 4)
    attention = torch.zeros(1, 2, 4, 4)
    attention[0, 0, 1, 2] = attention[0, 1, 3, 0] = 200.0
    read = softmax_readout(values, attention)
    torch.testing.assert_close(read[0, 0], values[0, 0, :, 1, 2])
    torch.testing.assert_close(read[0, 1], values[0, 1, :, 3, 0])


def test_softmax_readout_of_flat_attention_is_the_mean():
    values = torch.randn(2, 1, 3, 4, 4)
    read = softmax_readout(values, torch.zeros(2, 1, 4, 4))
    torch.testing.assert_close(read, values.mean((-1, -2)))


def test_shared_values_are_read_like_copies():
    values, attention = torch.randn(2, 1, 3, 4, 5), torch.randn(2, 6, 4, 5)
    expected = softmax_readout(values.expand(-1, 6, -1, -1, -1), attention)
    torch.testing.assert_close(
        softmax_readout(values, attention, shared=True), expected
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_points_are_not_rounded_to_the_precision_of_the_features(dtype):
    """A step between cells 60 and 61 tells where a point lies, in cells."""
    features = torch.zeros(1, 1, 64, 64)
    features[..., 61:] = 1
    fraction = torch.linspace(0, 1, 33)
    column = 60 + fraction
    across = (2 * column + 1) / 64 - 1
    points = torch.stack([across, torch.zeros_like(across)], -1)[None].requires_grad_()
    with torch.autocast('cpu', dtype=dtype):
        read = bilinear(features.to(dtype), points)
    assert read.dtype == dtype
    error = (read[0, :, 0].float() - fraction).abs().max()
    assert error < 2e-3  # half a step of bfloat16 below 1; its points err by 0.06
    read.float().sum().backward()
    assert points.grad.dtype == torch.float32
    torch.testing.assert_close(points.grad[0, 1:-1, 0], torch.full((31,), 32.0))
