"""The networks that find hands as functions of bytes, beside the detectors' own way."""

import numpy as np
import pytest
import torch

from mmhand_dne.deployment.finder_export import (
    describe_landmarks,
    describe_palms,
    export_finder,
    finder_files,
)
from mmhand_dne.deployment.finder_networks import (
    LandmarkNetwork,
    PalmNetwork,
    anchors_of,
    square_of_landmarks,
)
from mmhand_dne.deployment.onnx_check import example_crops
from mmhand_dne.geometry.hand_rois import HandRoi, roi_of_landmarks
from mmhand_dne.models.detectors import HandFinder
from mmhand_dne.models.detectors.hand_landmarker import in_image
from mmhand_dne.models.detectors.palm_detector import anchors, decode


@pytest.fixture(scope='module')
def finder():
    torch.manual_seed(0)
    return HandFinder().eval()


@pytest.mark.parametrize('side', [64, 192])
def test_anchors_are_the_detectors(side):
    np.testing.assert_array_equal(anchors_of(side).numpy(), anchors(side))


def test_boxes_are_the_detectors(finder):
    squares = example_crops(2, 96)
    with torch.no_grad():
        found = PalmNetwork(finder.palm_detector)(squares)
        boxes, logits = finder.palm_detector(squares.permute(0, 3, 1, 2) / 255)
    for i in range(2):
        wanted = decode(boxes[i].numpy(), anchors(96))
        np.testing.assert_allclose(found['boxes'][i].numpy(), wanted, atol=1e-4)
    np.testing.assert_allclose(found['scores'], logits.sigmoid(), atol=1e-6)


def test_landmarks_are_the_landmarkers(finder):
    rois = [
        HandRoi(np.array([200.0, 90.0]), 150.0, 0.6),
        HandRoi(np.array([-5.0, 30.0]), 20.0, -2.5),
    ]
    crops = example_crops(2, 224)
    squares = torch.tensor([[*roi.centre, roi.side, roi.angle] for roi in rois]).float()
    with torch.no_grad():
        found = LandmarkNetwork(finder.landmarker)(crops, squares)
        read = finder.landmarker(crops.permute(0, 3, 1, 2) / 255)
    for i, hand in enumerate(in_image(read, rois)):
        for name in ('points', 'depth', 'world', 'presence', 'right'):
            np.testing.assert_allclose(
                found[name][i].numpy(), getattr(hand, name), atol=1e-3
            )


def test_the_next_square_is_that_about_the_landmarks():
    points = np.random.default_rng(0).uniform(0, 400, (20, 21, 2))
    found = square_of_landmarks(torch.from_numpy(points).float()).numpy()
    for square, joints in zip(found, points):
        roi = roi_of_landmarks(joints)
        np.testing.assert_allclose(
            square, [*roi.centre, roi.side, roi.angle], atol=2e-4
        )


def test_the_files_lie_beside_the_models(finder, tmp_path):
    files = finder_files(tmp_path / 'a.onnx')
    assert [path.name for path in files.values()] == [
        'a.palms.onnx',
        'a.landmarks.onnx',
    ]
    assert describe_palms(finder)['kind'] == 'palms'
    assert 'MediaPipe Authors' in describe_landmarks(finder)['licence']


@pytest.mark.large
def test_the_files_compute_what_the_networks_do(finder, tmp_path):
    pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
    found = export_finder(finder, finder_files(tmp_path / 'a.onnx'))
    assert found['landmarks']['points'].error < 1e-2
    assert found['palms']['scores'].error < 1e-5
