import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.conventions import MIDDLE, WRIST
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.geometry.hand_rois import HandRoi, roi_affine, turned
from mmhand_dne.models.detectors.hand_landmarker import (
    SIZE,
    HandLandmarker,
    cut,
    in_image,
)
from mmhand_dne.structures.hand_landmarks import HandLandmarks, LandmarkedHand

ROI = HandRoi(np.array([90.0, 70.0]), 60.0, 0.7)


def crop_landmarks(points, world=None, presence=2.0, right=-1.0):
    """A network's reading of one crop."""
    world = torch.zeros(1, 21, 3) if world is None else torch.as_tensor(world)[None]
    points = torch.as_tensor(points)[None]
    return HandLandmarks(points, torch.tensor([presence]), torch.tensor([right]), world)


def hand_shape():
    """(21, 2) pixels, pointing up, 100 long: the wrist, then fingers side by side."""
    fingers = [[20 * f - 40, -50 - 12 * k] for f in range(5) for k in range(4)]
    return np.array([[0, 0], *fingers], float) + [200, 250]


def test_landmarks_are_put_back_where_the_square_was_cut():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 200, (21, 2))
    affine = roi_affine(ROI, SIZE)
    crop = np.column_stack([pixels @ affine[:, :2].T + affine[:, 2], np.full(21, 56.0)])
    [hand] = in_image(crop_landmarks(crop), [ROI])
    np.testing.assert_allclose(hand.points, pixels, atol=1e-9)
    np.testing.assert_allclose(hand.depth, 15.0)  # 56 of 224 pixels of a side of 60
    assert hand.presence == pytest.approx(1 / (1 + np.exp(-2)))
    assert hand.right == pytest.approx(1 / (1 + np.exp(1)))


def test_metres_turn_with_the_square():
    """What points up in the crop points in the image where the hand does."""
    world = np.zeros((21, 3))
    world[MIDDLE] = [0, -0.09, 0.02]
    points = np.zeros((21, 3))
    points[MIDDLE, 1] = -1
    [hand] = in_image(crop_landmarks(points, world), [ROI])
    ahead = [np.sin(ROI.angle), -np.cos(ROI.angle)]
    np.testing.assert_allclose(hand.world[MIDDLE], [*np.multiply(0.09, ahead), 0.02])
    drawn = hand.points[MIDDLE] - hand.points[WRIST]
    np.testing.assert_allclose(drawn / np.linalg.norm(drawn), ahead)


@pytest.mark.parametrize('side', [100.0, 224.0, 500.0, 1000.0, 1900.0, 2700.0])
def test_a_spot_of_the_image_is_cut_where_the_affine_map_puts_it(side):
    y, x = np.mgrid[:800, :900]
    spot, roi = np.array([400.0, 300.0]), HandRoi(np.array([420.0, 330.0]), side, -0.4)
    bell = np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * (side / 30) ** 2))
    image = np.rint(255 * bell).astype(np.uint8)[..., None].repeat(3, -1)
    crop = cut(image, roi, SIZE)[..., 0].astype(float)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    affine = roi_affine(roi, SIZE)
    np.testing.assert_allclose(found, affine[:, :2] @ spot + affine[:, 2], atol=0.1)


def test_a_large_square_is_averaged():
    """Stripes one pixel wide become grey, not black or white."""
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[:, ::2] = 255
    crop = cut(image, HandRoi(np.array([600.0, 600.0]), 900.0, 0.0), SIZE)
    assert np.abs(crop.astype(float) - 127.5).max() < 40


def test_a_square_of_any_size_costs_little_memory(monkeypatch):
    sizes, warped = [], cv2.warpAffine
    monkeypatch.setattr(
        cv2, 'warpAffine', lambda *args: sizes.append(args[2]) or warped(*args)
    )
    image = np.full((60, 80, 3), 200, np.uint8)
    for side in (2e3, 3e4, 1e6, 1e9):
        crop = cut(image, HandRoi(np.array([40.0, 30.0]), side, 0.5), SIZE)
        # What is seen is the image's light, spread over the square.
        light = crop.sum(dtype=float) * (side / SIZE) ** 2 / image.sum(dtype=float)
        assert side > 2e3 or light == pytest.approx(1, rel=0.02)
    assert max(max(size) for size in sizes) <= 8 * SIZE


def test_a_reduced_image_is_made_once():
    kept, image = {}, np.zeros((900, 900, 3), np.uint8)
    for angle in (0.0, 1.0):
        cut(image, HandRoi(np.array([400.0, 400.0]), 2000.0, angle), SIZE, kept)
    [small] = kept.values()
    assert small.shape == (450, 450, 3)


def test_squares_are_read_in_batches_of_any_size():
    torch.manual_seed(0)
    landmarker = HandLandmarker(batch_size=2)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (120, 160, 3), np.uint8)
    rois = [ROI._replace(angle=angle) for angle in (0.0, 1.0, 2.0)]
    together = landmarker.read([(image, roi) for roi in rois])
    for roi, hand in zip(rois, together):
        [alone] = landmarker.read([(image, roi)])
        np.testing.assert_allclose(alone.points, hand.points, atol=1e-3)
        assert hand.roi is not None and hand.points.shape == (21, 2)
    assert landmarker.read([]) == []


class Reader(HandLandmarker):
    """Sees given hands, and only where the square is turned as the hand is."""

    def __init__(self, hands):
        super().__init__()
        self.hands = hands

    def read(self, squares):
        found = []
        for _, roi in squares:
            near = [
                (np.linalg.norm(points.mean(0) - roi.centre), angle, points, right)
                for points, angle, right in self.hands
            ]
            _, angle, points, right = min(near, key=lambda each: each[0])
            presence = (1 + np.cos(roi.angle - angle)) / 2
            found.append(
                LandmarkedHand(
                    roi, points, points[:, 0], np.zeros((21, 3)), presence, right
                )
            )
        return found


@pytest.mark.parametrize('angle', [0.0, 2.0, -1.3])
def test_the_rotation_of_a_hand_in_a_box_is_found(angle):
    shape = hand_shape()
    middle = shape.mean(0)
    points = (shape - middle) @ turned(angle).T + middle
    found = Reader([(points, angle, 1.0)]).in_box(None, tight_corners(points))
    np.testing.assert_allclose(found.points, points)
    assert found.presence > 0.99  # read again about its landmarks, not at 30 degrees


def test_of_two_hands_that_of_the_box_is_returned():
    """Of hands that overlap, as those of a clasped pair."""
    shape = hand_shape()
    hands = [(shape, 0.0, 1.0), (shape + [70, 10], 0.0, 0.0)]
    reader = Reader(hands)
    for points, *_ in hands:
        found = reader.in_box(None, tight_corners(points))
        np.testing.assert_allclose(found.points, points)


def test_a_known_side_decides_between_readings_of_one_box():
    shape = hand_shape()
    mirrored = shape * [-1, 1] + [2 * shape[:, 0].mean(), 0]

    class Ambiguous(Reader):
        def read(self, squares):
            hands = super().read(squares)
            return [
                hand
                if np.cos(hand.roi.angle) > 0.9
                else hand._replace(presence=0.8, right=0.0, points=mirrored)
                for hand in hands
            ]

    reader = Ambiguous([(shape, 0.0, 1.0)])
    assert reader.in_box(None, tight_corners(shape)).right == 1.0
    left = reader.in_box(None, tight_corners(shape), side='left', rounds=0)
    assert left.right == 0.0
