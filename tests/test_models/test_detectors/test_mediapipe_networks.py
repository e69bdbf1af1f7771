"""The converted networks against an interpreter of the files they come from."""

import numpy as np
import pytest
import torch

from mmhand_dne.models.detectors import HandLandmarker, PalmDetector
from tools.model_converters.convert_mediapipe import NETWORKS, read_files


@pytest.fixture(scope='module')
def interpret(mediapipe_source):
    """Outputs of a network's file on an image (H, W, 3)."""
    from tests.oracles.tflite_interpreter import Interpreter

    files = read_files(mediapipe_source)

    def run(key, image):
        return Interpreter(files[NETWORKS[key].file]).run(image[None])

    return run


def smooth_image(size):
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 3, 8, 8)))
    fine = torch.nn.functional.interpolate(coarse, (size, size), mode='bicubic')
    return fine[0].permute(1, 2, 0).clamp(0, 1).numpy()


def batch(image):
    return torch.from_numpy(image).float().permute(2, 0, 1)[None]


def test_landmarks_are_the_files(interpret, mediapipe_networks):
    landmarker = HandLandmarker()
    landmarker.load_state_dict(mediapipe_networks['hand_landmarker'])
    image = smooth_image(224)
    points, presence, right, world = interpret('hand_landmarker', image)
    with torch.inference_mode():
        read = landmarker(batch(image))
    expected = points.reshape(1, 21, 3) - [0.5, 0.5, 0]
    np.testing.assert_allclose(read.points, expected, atol=1e-3)  # pixels
    np.testing.assert_allclose(read.world, world.reshape(1, 21, 3), atol=1e-6)
    np.testing.assert_allclose(read.presence_logits.sigmoid(), presence[0], atol=1e-5)
    np.testing.assert_allclose(read.right_logits.sigmoid(), right[0], atol=1e-5)


def test_palms_are_the_files(interpret, mediapipe_networks):
    detector = PalmDetector()
    detector.load_state_dict(mediapipe_networks['palm_detector'])
    image = smooth_image(192)
    boxes, scores = interpret('palm_detector', image)
    with torch.inference_mode():
        found = detector(batch(image))
    np.testing.assert_allclose(found[0], boxes, atol=2e-3)  # pixels
    np.testing.assert_allclose(found[1], scores[..., 0], atol=1e-3)  # logits
