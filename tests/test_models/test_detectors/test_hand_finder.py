import json

import numpy as np
import pytest
from mmpose.registry import MODELS

from mmhand_dne.fileio.images import read_image
from mmhand_dne.models.detectors.hand_finder import PALM_JOINTS
from mmhand_dne.structures.hand_landmarks import LandmarkedHand, Palm
from tests.test_models.test_detectors.test_hand_landmarker import hand_shape

SHAPE = hand_shape()
IMAGE = np.zeros((500, 800, 3), np.uint8)


class World:
    """Hands that a finder is to find: (points, presence, right) and their palms."""

    def __init__(self, **options):
        self.finder = MODELS.build(dict(type='HandFinder', **options))
        self.finder.landmarker.read = self.read
        self.finder.palm_detector.detect = self.detect
        self.hands, self.palms, self.faint, self.passes = [], [], [], []

    def detect(self, image, second=False, score_thr=None):
        self.passes.append(second)
        palms = [*self.palms, *(self.faint if second else ())]
        return [palm for palm in palms if palm.score > (score_thr or 0)]

    def read(self, squares):
        found = []
        for _, roi in squares:
            points, presence, right = min(
                self.hands,
                key=lambda hand: np.linalg.norm(hand[0].mean(0) - roi.centre),
            )
            if np.linalg.norm(points.mean(0) - roi.centre) > roi.side / 2:
                presence = 0.0
            found.append(
                LandmarkedHand(
                    roi, points, points[:, 0], np.zeros((21, 3)), presence, right
                )
            )
        return found

    def put(self, shift, presence=1.0, right=1.0):
        self.hands.append((SHAPE + shift, presence, right))
        return palm(shift)


def palm(shift, score=0.9):
    points = SHAPE[PALM_JOINTS] + shift
    return Palm(score, np.concatenate([points.min(0), points.max(0)]), points)


def test_each_palm_leads_to_its_hand():
    world = World()
    world.palms = [world.put([0, 0], 0.8), world.put([300, 50], 0.9, 0.1)]
    second, first = world.finder.find(IMAGE)
    np.testing.assert_allclose(first.points, SHAPE)
    np.testing.assert_allclose(second.points, SHAPE + [300, 50])
    assert world.passes == [False]


def test_two_palms_of_one_hand_give_one_hand():
    world = World()
    world.put([0, 0])
    world.palms = [palm([0, 0]), palm([25, 20])]
    read, counts = world.finder.landmarker.read, []
    world.finder.landmarker.read = lambda squares: (
        counts.append(len(squares)) or read(squares)
    )
    assert len(world.finder.find(IMAGE)) == 1
    assert [count for count in counts if count] == [
        2,
        1,
    ]  # about the palms, then about the hand


@pytest.mark.parametrize(('right', 'count'), [(0.9, 1), (0.1, 2)])
def test_hands_close_together_are_two_if_their_sides_differ(right, count):
    world = World()
    world.palms = [world.put([0, 0]), world.put([30, 15], 0.9, right)]
    assert len(world.finder.find(IMAGE)) == count


def test_what_is_not_present_is_no_hand():
    world = World()
    world.palms = [world.put([0, 0], 0.4), world.put([300, 0], 0.05)]
    assert world.finder.find(IMAGE) == []


@pytest.mark.parametrize(('at_least', 'passes', 'count'), [(1, 1, 1), (2, 2, 2)])
def test_the_second_pass_looks_for_hands_that_are_missing(at_least, passes, count):
    world = World(at_least=at_least)
    world.palms = [world.put([0, 0])]
    world.faint = [world.put([300, 0], right=0.0)]
    assert len(world.finder.find(IMAGE)) == count and len(world.passes) == passes


def test_an_empty_picture_is_looked_at_twice_and_has_no_hands():
    world = World()
    assert world.finder.find(IMAGE) == [] and world.passes == [False, True]


def test_a_hand_is_followed_without_looking_for_palms():
    world = World()
    world.palms = [world.put([0, 0])]
    hands = world.finder.find(IMAGE)
    world.hands = []
    world.put([20, 10])
    world.passes.clear()
    for look, passes in ((None, []), (False, []), (True, [False])):
        world.palms = [palm([20, 10])]
        [moved] = world.finder.find(IMAGE, hands, look)
        np.testing.assert_allclose(moved.points, SHAPE + [20, 10])
        assert world.passes == passes


def test_a_lost_hand_is_looked_for_and_the_others_keep_their_place():
    world = World()
    world.palms = [world.put([0, 0], 0.7), world.put([300, 0], 0.99)]
    before = world.finder.find(IMAGE)[::-1]
    world.hands = [world.hands[0]]
    world.palms = [world.put([500, 100], 0.95), palm([0, 0])]
    world.passes.clear()
    kept, new = world.finder.find(IMAGE, before)
    np.testing.assert_allclose(kept.points, SHAPE)
    np.testing.assert_allclose(new.points, SHAPE + [500, 100])
    assert world.passes == [False]


@pytest.fixture(scope='module')
def real_finder(mediapipe_networks):
    finder = MODELS.build(dict(type='HandFinder'))
    finder.palm_detector.load_state_dict(mediapipe_networks['palm_detector'])
    finder.landmarker.load_state_dict(mediapipe_networks['hand_landmarker'])
    return finder


def real_hands(folder):
    """Images (H, W, 3) RGB with the (21, 2) keypoints of their right hand."""
    table = json.loads((folder / 'test_freihand.json').read_text())
    names = {image['id']: image['file_name'] for image in table['images']}
    for entry in table['annotations']:
        image = read_image(folder / names[entry['image_id']])[..., ::-1]
        keypoints = np.reshape(entry['keypoints'], (21, 3))[:, :2]
        yield np.ascontiguousarray(image), keypoints


def error(hand, keypoints):
    """Mean error over the longer side of the joints' box."""
    apart = np.linalg.norm(hand.points - keypoints, axis=1).mean()
    return apart / np.ptp(keypoints, axis=0).max()


def test_real_right_hands_are_found(real_finder, real_data):
    for image, keypoints in real_hands(real_data / 'freihand'):
        [hand] = real_finder.find(image)
        assert hand.right > 0.9 and error(hand, keypoints) < 0.16


def test_real_mirrored_right_hands_are_left(real_finder, real_data):
    image, keypoints = next(real_hands(real_data / 'freihand'))
    [hand] = real_finder.find(np.ascontiguousarray(image[:, ::-1]))
    assert hand.right < 0.1
    mirrored = np.array([image.shape[1] - 1, 0]) + keypoints * [-1, 1]
    assert error(hand, mirrored) < 0.16


def test_real_hands_are_read_in_given_boxes(real_finder, real_data):
    for image, keypoints in list(real_hands(real_data / 'freihand'))[::4]:
        corners = np.concatenate([keypoints.min(0), keypoints.max(0)])
        hand = real_finder.landmarker.in_box(image, corners)
        assert hand.right > 0.9 and error(hand, keypoints) < 0.16
