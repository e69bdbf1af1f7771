import numpy as np
import pytest
import torch

from mmhand_dne.models.detectors import PalmDetector, PalmNet
from mmhand_dne.models.detectors.palm_detector import (
    anchors,
    decode,
    letterbox,
    overlaps,
    weighted_nms,
)


def boxes_of(*corners):
    """(N, 9, 2), the points in the boxes' middle."""
    pairs = np.array(corners, float).reshape(-1, 2, 2)
    return np.concatenate([pairs, pairs.mean(1, keepdims=True).repeat(7, 1)], 1)


class OnePalm(torch.nn.Module):
    """Says that there is one palm in a square of any size: 0.4 to 0.6 of both sides."""

    def __init__(self, logits):
        super().__init__()
        self.seen, self.logits = [], logits

    def forward(self, inputs):
        size = inputs.shape[-1]
        self.seen.append(size)
        anchor = anchors(size)
        logits = torch.full((1, len(anchor)), -9.0)
        best = int(np.linalg.norm(anchor - size / 2, axis=1).argmin())
        logits[0, best] = self.logits[size]
        values = torch.zeros(1, len(anchor), 9, 2)
        values[0, best] = torch.from_numpy(size / 2 - anchor[best])
        values[0, best, 1] = size * 0.2
        return values.flatten(2), logits


@pytest.mark.parametrize('size', [96, 192, 288])
def test_there_is_an_anchor_for_every_value_of_the_network(size):
    boxes, scores = PalmNet()(torch.rand(1, 3, size, size))
    assert scores.shape[1] == boxes.shape[1] == len(anchors(size))


def test_anchors_are_the_cells_centres_row_by_row():
    expected = [
        ((column + 0.5) * stride, (row + 0.5) * stride)
        for stride, count in ((8, 2), (16, 6))
        for row in range(64 // stride)
        for column in range(64 // stride)
        for _ in range(count)
    ]
    np.testing.assert_array_equal(anchors(64), expected)


def test_a_box_is_decoded_about_its_anchor():
    values = np.array([[2.0, 3, 20, 10, *range(14)]])
    [found] = decode(values, np.array([[50.0, 60]]))
    np.testing.assert_allclose(found[:2], [[42, 58], [62, 68]])
    np.testing.assert_allclose(found[2:], np.arange(14).reshape(7, 2) + [50, 60])


@pytest.mark.parametrize('shape', [(30, 60), (400, 300), (7, 500)])
def test_a_letterboxed_pixel_is_where_scale_and_shift_say(shape):
    image = np.zeros((*shape, 3), np.uint8)
    image[shape[0] // 2 :, shape[1] // 2 :] = 255  # a corner in the middle
    square, scale, shift = letterbox(image, 192)
    corner = np.array([shape[1] // 2, shape[0] // 2]) * scale + shift
    rows, columns = np.nonzero(square[..., 0] > 127)
    np.testing.assert_allclose([columns.min(), rows.min()], corner, atol=1)


def test_palms_are_found_in_pixels_of_the_image():
    detector = PalmDetector(second_pass=())
    detector.net = OnePalm({192: 2.0})
    detector.register_parameter('where', torch.nn.Parameter(torch.zeros(1)))
    [palm] = detector.detect(np.zeros((200, 400, 3), np.uint8))
    # The square is 400 pixels wide, its middle the image's: edges 160 .. 240.
    np.testing.assert_allclose(palm.corners, [159.5, 59.5, 239.5, 139.5], atol=1e-4)
    np.testing.assert_allclose(palm.points, [[199.5, 99.5]] * 7, atol=1e-4)
    assert palm.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_the_second_pass_reads_more_sizes_and_takes_less_sure_palms():
    detector = PalmDetector(second_pass=(96, 288))
    detector.net = OnePalm({192: -2.5, 96: -8.0, 288: -2.0})
    detector.register_parameter('where', torch.nn.Parameter(torch.zeros(1)))
    image = np.zeros((50, 80, 3), np.uint8)
    assert detector.detect(image) == [] and detector.net.seen == [192]
    [palm] = detector.detect(image, second=True)
    assert detector.net.seen[1:] == [192, 96, 288]
    assert palm.score == pytest.approx(1 / (1 + np.exp(2)))
    # Scores are 0.076 and 0.119: a threshold of the first pass holds in the second one
    # only where it is higher than usual.
    assert len(detector.detect(image, score_thr=0.07)) == 1
    assert len(detector.detect(image, second=True, score_thr=0.25)) == 1
    assert detector.detect(image, second=True, score_thr=0.31) == []


def test_boxes_that_overlap_become_their_weighted_mean():
    boxes = boxes_of([0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60])
    first, second = weighted_nms(np.array([0.6, 0.9, 0.7]), boxes, 0.3)
    assert (first.score, second.score) == (0.9, 0.7)
    np.testing.assert_allclose(first.corners, [1.2, 0, 11.2, 10])
    np.testing.assert_allclose(first.points, [[6.2, 5]] * 7)
    np.testing.assert_allclose(second.corners, [50, 50, 60, 60])


def test_overlap_is_the_share_of_common_pixels():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1) + 0.5
    low = rng.integers(0, 10, (30, 2))
    pairs = np.stack([low, low + rng.integers(1, 10, (30, 2))], 1).astype(float)

    def covered(pair):
        return ((grid > pair[0]) & (grid < pair[1])).all(-1)

    expected = [
        (covered(pairs[0]) & covered(pair)).sum()
        / (covered(pairs[0]) | covered(pair)).sum()
        for pair in pairs
    ]
    np.testing.assert_allclose(overlaps(pairs[0], pairs), expected, atol=1e-9)


def test_no_candidate_is_no_palm():
    assert weighted_nms(np.zeros(0), np.zeros((0, 9, 2)), 0.3) == []


def test_a_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match='200 pixels a side.* multiple of 32'):
        PalmDetector(second_pass=(200,))
