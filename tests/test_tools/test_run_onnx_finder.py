"""Finding hands without PyTorch: what the package's own finder gives."""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.shipped_model import SHIPPED_WEIGHTS
from mmhand_dne.deployment.finder_export import describe_landmarks, describe_palms
from mmhand_dne.deployment.finder_networks import LandmarkNetwork, PalmNetwork
from mmhand_dne.geometry.hand_rois import HandRoi, roi_affine
from mmhand_dne.models.detectors import HandFinder
from mmhand_dne.models.detectors.hand_landmarker import MOST_TIMES, cut
from mmhand_dne.models.detectors.palm_detector import letterbox
from mmhand_dne.structures.hand_landmarks import HandLandmarks
from tests.test_tools.test_run_onnx import random_image
from tools.deployment import run_onnx

PHOTOS = Path(__file__).parents[1] / 'data' / 'hands'
IMAGE = cv2.resize(random_image(3), (640, 480), interpolation=cv2.INTER_CUBIC)


def hand_shape():
    """(21, 2) pixels of a crop: fingers spread, pointing up."""
    joints = np.full((21, 2), [112.0, 190.0])
    for finger in range(5):
        for joint in range(4):
            up = 35 + 25 * joint
            joints[1 + 4 * finger + joint] += [(finger - 2) * (8 + 6 * joint), -up]
    return joints


class PlantedPalms(torch.nn.Module):
    """Palms at two places, with doubles, whatever the picture."""

    def __init__(self):
        super().__init__()
        self.device = torch.nn.Parameter(torch.zeros(1))  # is looked up

    def forward(self, inputs):
        side = inputs.shape[-1]
        count = (side // 8) ** 2 * 2 + (side // 16) ** 2 * 6
        boxes, logits = torch.zeros(1, count, 18), torch.full((1, count), -9.0)
        for place, score in ((0.3, 2.0), (0.31, 1.5), (0.7, 0.5), (0.9, -2.0)):
            anchor = 2 * (int(place * side / 8) * (side // 8) + int(place * side / 8))
            boxes[0, anchor, 2:4] = torch.tensor([0.16, 0.18]) * side
            boxes[0, anchor, 4:] = torch.linspace(-0.1, 0.08, 14) * side
            logits[0, anchor] = score
        return boxes, logits


def planted_landmarks(crops):
    """A hand moved by what the crop shows; present where that is bright."""
    shift = 20 * (crops[..., 60:170, 60:170].mean((-2, -1)) - 0.5)  # (B, 3)
    points = torch.from_numpy(hand_shape()).float() + shift[:, None, :2]
    depth = torch.linspace(-9, 9, 21).expand(len(crops), -1)[..., None]
    return HandLandmarks(
        torch.cat([points, depth], -1),
        1.5 + 0.05 * shift[:, 2],
        shift[:, 0] - shift[:, 1],
        torch.cat([points, depth], -1) / 2000,
    )


class TorchSession:
    """What a session of ONNX Runtime would compute."""

    def __init__(self, network):
        self.network = network

    def run(self, names, feed):
        with torch.no_grad():
            found = self.network(**{k: torch.from_numpy(v) for k, v in feed.items()})
        return [found[name].numpy() for name in names]


@pytest.fixture
def finders(monkeypatch):
    """The package's finder and the runner's, on the same planted networks."""
    theirs = HandFinder().eval()
    monkeypatch.setattr(theirs.palm_detector, 'net', PlantedPalms())
    monkeypatch.setattr(theirs.landmarker, 'forward', planted_landmarks)
    files = dict(
        palms=(
            TorchSession(PalmNetwork(theirs.palm_detector)),
            describe_palms(theirs),
        ),
        landmarks=(
            TorchSession(LandmarkNetwork(theirs.landmarker)),
            describe_landmarks(theirs),
        ),
    )
    monkeypatch.setattr(run_onnx, 'open_model', lambda path, threads, kind: files[kind])
    return SimpleNamespace(theirs=theirs, ours=run_onnx.Finder('', ''))


def assert_same_hands(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.points, b.points, atol=0.1)
        np.testing.assert_allclose(a.world, b.world, atol=1e-4)
        assert a.presence == pytest.approx(b.presence, abs=1e-2)
        read_from = [*b.roi.centre, b.roi.side, b.roi.angle]
        np.testing.assert_allclose(a.read_from, read_from, atol=0.1)


def test_photos_have_the_finders_hands(finders):
    assert_same_hands(
        finders.ours.find(run_onnx.Picture(IMAGE)), finders.theirs.find(IMAGE)
    )


def test_the_second_search_is_the_finders(finders):
    finders.theirs.at_least = finders.ours.about['at_least'] = 9
    assert_same_hands(
        finders.ours.find(run_onnx.Picture(IMAGE)), finders.theirs.find(IMAGE)
    )


def test_hands_are_followed_as_the_finder_does(finders):
    before, after = IMAGE, np.roll(IMAGE, 4, 1)
    ours = finders.ours.find(run_onnx.Picture(before))
    theirs = finders.theirs.find(before)
    assert_same_hands(
        finders.ours.find(run_onnx.Picture(after), ours),
        finders.theirs.find(after, theirs),
    )


@pytest.mark.parametrize('side', [None, 'left'])
def test_a_box_is_turned_as_the_landmarker_does(finders, side):
    box = np.array([200.0, 100, 380, 330])
    ours = finders.ours.in_box(run_onnx.Picture(IMAGE), box, side)
    theirs = finders.theirs.landmarker.in_box(IMAGE, box, side=side)
    assert_same_hands([ours], [theirs])


@pytest.mark.parametrize('side', [90.0, 230.0, 700.0, 1900.0, 5000.0])
def test_squares_are_cut_as_the_landmarker_does(side):
    roi = HandRoi(np.array([300.0, 220.0]), side, 0.8)
    square = np.array([*roi.centre, roi.side, roi.angle])
    finder = SimpleNamespace(about=dict(most_times=MOST_TIMES))
    found = run_onnx.Finder.cut(finder, run_onnx.Picture(IMAGE), square, 224)
    assert_opencvs(found, cut(IMAGE, roi, 224))


@pytest.mark.parametrize('mirrored', [False, True])
def test_pixels_are_opencvs(mirrored):
    affine = roi_affine(HandRoi(np.array([30.0, 400.0]), 260.0, -1.2), 224)
    image = np.ascontiguousarray(IMAGE[:, ::-1]) if mirrored else IMAGE
    wanted = cv2.warpAffine(image, affine, (224, 224))
    found = run_onnx.Picture(IMAGE).cut(affine, 224, mirrored)
    assert_opencvs(found, wanted)


def assert_opencvs(found, wanted):
    """Equal to OpenCV 4, which knows places between pixels to 1 / 32; 5 is finer."""
    apart = np.abs(found.astype(int) - wanted)
    exact = int(cv2.__version__.split('.')[0]) < 5
    assert apart.max() <= (0 if exact else 3) and apart.mean() < 0.05


@pytest.mark.parametrize('shape', [(480, 640), (640, 137), (100, 90), (192, 192)])
@pytest.mark.parametrize('size', [128, 192, 288])
def test_squares_of_whole_images_are_the_detectors(shape, size):
    image = cv2.resize(IMAGE, shape[::-1])
    found, scale, shift = run_onnx.Picture(image).fitted(size)
    wanted, wanted_scale, wanted_shift = letterbox(image, size)
    assert scale == wanted_scale
    np.testing.assert_array_equal(shift, wanted_shift)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_turned_box_is_read_as_the_inferencer_reads_it(export, side):
    made, angle = export('one_hand'), 35.0
    image, box = random_image(), [20.0, 15.0, 80.0, 70.0]
    runner = run_onnx.HandRunner(made.path, threads=1)
    place = run_onnx.Place(np.array(box), side, np.radians(angle))
    [ours] = runner.read(run_onnx.Picture(image), [place], [300, 310, 50, 40])
    given = dict(bboxes=[[dict(box=box, side=side, angle=angle)]])
    bgr = np.ascontiguousarray(image[..., ::-1])
    camera = [300.0, 310.0, 50.0, 40.0]
    [theirs] = next(made.inferencer.results(bgr, intrinsics=camera, **given)).hands
    for name in ('vertices', 'joints_2d', 'translation', 'joint_covariance_full'):
        value = getattr(theirs, name)
        np.testing.assert_allclose(
            getattr(ours, name), value, rtol=0, atol=1e-3 * np.abs(value).max()
        )


@pytest.mark.large
@pytest.mark.skipif(
    not SHIPPED_WEIGHTS.is_file(), reason='the shipped weights are not there'
)
def test_the_shipped_model_runs_without_pytorch(tmp_path, monkeypatch):
    from tools.deployment import export_onnx as tool

    path = tmp_path / 'hands.onnx'
    monkeypatch.setattr(sys, 'argv', ['', str(path)])
    tool.main()
    runner, hands = run_onnx.HandRunner(path, 1), HandMeshInferencer(device='cpu')
    photos = sorted(PHOTOS.glob('*.jpg'))
    assert photos
    for photo in photos:
        image = run_onnx.read_image(photo)
        bgr = np.ascontiguousarray(image[..., ::-1])
        picture = run_onnx.Picture(image)
        [found] = runner.finder.find(picture)
        [wanted] = hands.detector(bgr, 0.3, 0.3)
        place = runner.place(found)
        assert place.side == wanted.side
        np.testing.assert_allclose(place.box, wanted.corners, rtol=0, atol=0.1)
        # From the same square, since a mesh's reads jump where a vertex changes cells.
        turn = np.radians(wanted.angle)
        place = run_onnx.Place(wanted.corners, wanted.side, turn, fills=True)
        [ours] = runner.read(picture, [place])
        [theirs] = next(hands.results(bgr)).hands
        for name in ('vertices', 'coarse_vertices', 'translation'):
            a, b = getattr(ours, name), getattr(theirs, name)
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ours.joints_2d, theirs.joints_2d, atol=0.01)
