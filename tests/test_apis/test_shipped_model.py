"""The model that needs no config and no checkpoint: its file, its boxes, its videos."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmhand_dne.apis import HandMeshInferencer, shipped_model
from mmhand_dne.apis.inputs import palm_hands
from mmhand_dne.apis.inputs.given_boxes import HandBox
from mmhand_dne.apis.inputs.palm_hands import box_of_square
from mmhand_dne.apis.shipped_model import SHIPPED_CONFIG, SHIPPED_WEIGHTS
from mmhand_dne.geometry.hand_rois import HandRoi, roi_affine, roi_of_landmarks
from mmhand_dne.models.detectors import HandFinder
from mmhand_dne.structures.hand_landmarks import LandmarkedHand
from tests.tiny_inferencers import noise_image, tiny_inferencer, write_checkpoint

PHOTOS = Path(__file__).parents[1] / 'data' / 'hands'
IMAGE = noise_image()  # 200 x 160
DNE, HAMER = 'dne_rendered', 'hamer-correlated_small_rendered-128x128'
CORNERS = [40.0, 30.0, 120.0, 130.0]


@pytest.fixture(scope='module')
def content(tmp_path_factory):
    """Random networks, as publish_real.py packs them."""
    path = write_checkpoint(SHIPPED_CONFIG, tmp_path_factory.mktemp('w') / 'a.pth')
    finder = HandFinder()
    parts = dict(
        state_dict=torch.load(path, weights_only=True)['state_dict'],
        palm_detector=finder.palm_detector.state_dict(),
        hand_landmarker=finder.landmarker.state_dict(),
    )
    halves = {
        part: {name: value.half() for name, value in state.items()}
        for part, state in parts.items()
    }
    return dict(halves, meta=dict(config=SHIPPED_CONFIG))


def ship(path, monkeypatch):
    """Let a file be the one that comes with the package."""
    for module in (shipped_model, palm_hands):
        monkeypatch.setattr(module, 'SHIPPED_WEIGHTS', path)
    return path


@pytest.fixture(scope='module')
def path(content, tmp_path_factory):
    path = tmp_path_factory.mktemp('shipped') / 'dne_real.pth'
    torch.save(content, path)
    return path


@pytest.fixture(scope='module')
def shipped(path):
    with pytest.MonkeyPatch.context() as monkeypatch:
        ship(path, monkeypatch)
        return HandMeshInferencer(device='cpu')


def landmarked(centre, angle=0.0, size=60.0, right=0.9, presence=0.8):
    """A hand that points up, turned by an angle (radians) about its middle."""
    joints = np.zeros((21, 2))
    for finger in range(5):
        for joint in range(4):
            spread = (finger - 2) * (6 + 3 * joint)
            joints[1 + 4 * finger + joint] = spread, -12 * joint - 8
    cos, sin = np.cos(angle), np.sin(angle)
    joints = (joints - joints.mean(0)) * size / 60 @ np.array([[cos, sin], [-sin, cos]])
    points = joints + centre
    roi = roi_of_landmarks(points)
    return LandmarkedHand(roi, points, np.zeros(21), np.zeros((21, 3)), presence, right)


@pytest.fixture
def seen(shipped, monkeypatch):
    """What the landmark network says of a box: a hand turned by half a radian."""
    hand = landmarked((80, 80), angle=0.5)
    landmarker = shipped.turner.landmarker
    monkeypatch.setattr(landmarker, 'in_box', lambda *_, **__: hand)
    monkeypatch.setattr(landmarker, 'read', lambda squares: [hand for _ in squares])
    return hand


def hands_of(inferencer, boxes=None, **options):
    [result] = inferencer.results(IMAGE, bboxes=boxes, **options)
    return result.hands


def assert_cut_from(hand, square, inferencer):
    expected = roi_affine(square, 224)
    np.testing.assert_allclose(hand.crop_affine, expected, atol=0.01)


def test_a_box_is_turned_and_told_its_side(shipped, seen):
    [hand] = hands_of(shipped, [CORNERS])
    assert (hand.side, hand.presence_of) == ('right', 'model')
    assert_cut_from(hand, roi_of_landmarks(seen.points), shipped)


def test_what_a_user_says_of_a_box_wins(shipped, seen):
    [hand] = hands_of(shipped, [dict(box=CORNERS, side='left')])
    assert hand.side == 'left'
    assert_cut_from(hand, roi_of_landmarks(seen.points), shipped)
    for angle in (0, -40):
        [hand] = hands_of(shipped, [dict(box=CORNERS, angle=angle)])
        square = roi_of_landmarks(seen.points)._replace(angle=np.radians(angle))
        assert_cut_from(hand, square, shipped)


def test_a_box_that_cannot_be_cut_costs_only_its_hand(shipped, seen):
    [hand] = hands_of(shipped, [[300, 3, 310, 9], CORNERS])
    assert hand.side == 'right'


def test_found_hands_have_the_finders_presence(shipped, monkeypatch):
    found = [
        landmarked((60, 70), presence=0.9),
        landmarked((120, 80), 2.0, right=0.2, presence=0.6),
    ]
    monkeypatch.setattr(shipped.detector.finder, 'find', lambda *_: found)
    right, left = hands_of(shipped)
    assert (right.side, left.side) == ('right', 'left')
    assert (right.presence, left.presence) == (0.9, 0.6)
    assert [hand.side for hand in hands_of(shipped, presence_thr=0.7)] == ['right']
    # A side that is given replaces the finder's.
    assert {hand.side for hand in hands_of(shipped, side='left')} == {'left'}


def test_an_image_without_hands_says_so(shipped, monkeypatch):
    monkeypatch.setattr(shipped.detector.finder, 'find', lambda *_: [])
    [result] = shipped.results(IMAGE)
    assert result.hands == ()
    assert result.problem == 'array 0: the detector found no hand'


def test_frames_are_followed_whatever_the_batch(shipped, monkeypatch):
    asked = []

    def find(image, previous, look, score_thr):
        asked.append((len(previous), look))
        return [landmarked((60 + 5 * len(asked), 70))]

    monkeypatch.setattr(shipped.detector.finder, 'find', find)
    frames = shipped_frames(12)
    results = {}
    for size in (1, 5):
        asked.clear()
        jobs = shipped.run(frames, size, in_time=True)
        results[size] = [shipped.result_of(job).hands[0].vertices_2d for job in jobs]
        assert asked[:3] == [(0, True), (1, None), (1, None)]
        assert [i for i, (_, look) in enumerate(asked) if look] == [0, 10]
    np.testing.assert_allclose(results[1], results[5], atol=0.01)
    # Single images have nothing to do with each other.
    asked.clear()
    list(shipped.run(frames[:3], 1))
    assert asked == [(0, None)] * 3


def shipped_frames(count):
    from mmhand_dne.apis.inputs.sources import Images

    return list(Images([IMAGE] * count))


def test_other_models_get_tight_boxes_with_sides(path, tmp_path, monkeypatch):
    ship(path, monkeypatch)
    hamer = tiny_inferencer(HAMER, tmp_path, det_model='palm')
    hand = landmarked((80, 80), angle=0.5, right=0.1)
    monkeypatch.setattr(hamer.detector.finder, 'find', lambda *_: [hand])
    [found] = hands_of(hamer)
    assert (found.side, found.presence) == ('left', 0.8)
    corners = [*hand.points.min(0), *hand.points.max(0)]
    np.testing.assert_allclose(found.box, corners, rtol=1e-5)


def test_a_squares_box_holds_the_whole_square():
    square = HandRoi(np.array([50.0, 60.0]), 80.0, np.pi / 6)
    box = box_of_square(square, 'left', 0.7)
    assert box.corners.tolist() == [10, 20, 90, 100]
    assert box.angle == pytest.approx(30) and box.kind == 'roi'
    assert box.presence == 0.7 and HandBox(box.corners).presence is None


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (None, 'there is no such file of weights; install mmhand_dne again'),
        ('cut', 'the weights cannot be read'),
        ('bytes', 'the weights cannot be read'),
        ('part', 'the file has no hand_landmarker'),
        ('tensor', 'HandLandmarker is of another version: 1 of its'),
        ('model', 'is not of this model: 1 of its .* install mmhand_dne again'),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    content, path, tmp_path, monkeypatch, change, sentence
):
    changed = {key: dict(value) for key, value in content.items()}
    bad = tmp_path / 'dne_real.pth'
    if change == 'cut':
        bad.write_bytes(path.read_bytes()[:100_000])
    elif change == 'bytes':
        bad.write_bytes(b'<html>not found</html>')
    elif change is not None:
        if change == 'part':
            del changed['hand_landmarker']
        part = 'state_dict' if change == 'model' else 'hand_landmarker'
        if change != 'part':
            changed[part].pop(next(iter(changed[part])))
        torch.save(changed, bad)
    ship(bad, monkeypatch)
    with pytest.raises(ValueError, match=sentence) as refused:
        HandMeshInferencer(device='cpu')
    assert str(bad) in str(refused.value) and '\n' not in str(refused.value)


def test_an_option_that_changes_the_model_is_named(path, monkeypatch):
    ship(path, monkeypatch)
    with pytest.raises(ValueError, match='the option model.refine_head.num_stages'):
        HandMeshInferencer(
            device='cpu', cfg_options={'model.refine_head.num_stages': 1}
        )


def test_with_another_config_the_shipped_file_is_not_called_damaged(path, monkeypatch):
    ship(path, monkeypatch)
    with pytest.raises(ValueError, match='use the config it was trained with$'):
        HandMeshInferencer(DNE, str(path), device='cpu')


def test_one_without_the_other_is_refused_but_for_the_shipped_config(
    path, tmp_path, monkeypatch
):
    ship(path, monkeypatch)
    assert HandMeshInferencer(SHIPPED_CONFIG, device='cpu').weights == str(path)
    with pytest.raises(ValueError, match='needs weights'):
        HandMeshInferencer(DNE)
    with pytest.raises(ValueError, match='needs the config'):
        HandMeshInferencer(None, str(path))


def test_the_shipped_file_finds_the_hands_of_the_sample_photos():
    if not SHIPPED_WEIGHTS.is_file():
        pytest.skip(f'{SHIPPED_WEIGHTS} is not there: it has not been trained yet')
    results = list(HandMeshInferencer(device='cpu').results(PHOTOS, batch_size=6))
    assert len(results) == 6
    for result in results:
        [hand] = result.hands
        assert hand.side == 'right' and hand.presence > 0.5
        assert np.isfinite(hand.vertices).all()
        # The mesh is where the hand is: about the middle of the photo.
        assert np.abs(hand.joints_2d.mean(0) - 49.5).max() < 25
