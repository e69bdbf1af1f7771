"""Smoothed videos: nearer to the ground truth, no gaps, consistent in all fields."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mmhand_dne.apis.temporal import hand_track, smoothing
from mmhand_dne.apis.temporal.hand_track import TrackSurvey
from mmhand_dne.apis.temporal.pose_jacobian import joint_jacobian, rotations_at
from mmhand_dne.apis.temporal.posed_hand import PosedHand
from mmhand_dne.apis.temporal.smoothing import smooth, smooth_frames
from mmhand_dne.apis.temporal.tracking import track
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import SingleHand
from tests.moving_hands import AFFINE, CAMERA, SIZE, frame, hand_pair, make_hand
from tests.moving_hands import smooth_vectors as poses_of

FRAMES = 16
BETAS = np.linspace(-1, 1, 10)


STDS = np.where(np.arange(FRAMES) % 6 < 2, 0.15, 0.015)  # radians, of each frame


def covariances(vectors):
    """(FRAMES, 60, 60) m^2 of the joints when each rotation errs by STDS."""
    tangents = vectors.reshape(-1, 16, 3)
    rotations = rotations_at(np.eye(3), tangents)
    joints = PosedHand(hand_pair(), 'right')(rotations, BETAS).joints
    root = joint_jacobian(rotations, tangents, joints) * STDS[:, None, None]
    return root @ np.swapaxes(root, -1, -2) + 1e-6 * np.eye(60)


def wrist_at(t: float) -> np.ndarray:
    return np.array([0.02 + 0.004 * t, -0.01, 0.6 + 0.002 * t])


def make_video(side='right', refined=0.0, error_bars=True, noise=1.0):
    """Tracked results with noise, and the true joints (FRAMES, 21, 3)."""
    rng = np.random.default_rng(0)
    poses, gt, frames = poses_of(FRAMES), [], []
    covariance = covariances(poses)
    for t, vectors in enumerate(poses):
        right = make_hand(vectors, BETAS, wrist_at(t), side, refined=refined)
        gt.append(right.joints)
        hand = make_hand(
            vectors + noise * STDS[t] * rng.normal(size=48),
            BETAS + 0.02 * noise * rng.normal(size=10),
            wrist_at(t) * (1 + 0.01 * noise * rng.normal(size=3)),
            side,
            refined=refined,
            covariance=covariance[t] if error_bars else None,
        )
        frames.append(frame(t, hand))
    return list(track(frames)), np.stack(gt)


def joints_of(results):
    return np.stack([result.hands[0].joints for result in results])


def error(results, gt):
    return np.linalg.norm(joints_of(results) - gt, axis=-1).mean()


def jitter(results):
    return np.linalg.norm(np.diff(joints_of(results), 2, axis=0), axis=-1).mean()


@pytest.fixture(scope='module')
def video():
    return make_video()


@pytest.fixture(scope='module')
def smoothed(video):
    return smooth(video[0], 'kalman', 30.0, hand_model=hand_pair())


def test_smoothing_brings_the_ground_truth_closer(video, smoothed):
    results, gt = video
    assert error(smoothed, gt) < 0.6 * error(results, gt)
    assert jitter(smoothed) < 0.1 * jitter(results)


def test_error_bars_of_each_frame_are_better_than_their_mean(video, smoothed):
    results, gt = video
    mean = np.mean(
        [result.hands[0].joint_covariance_full for result in results], axis=0
    )
    flat = [
        replace(result, hands=(replace(result.hands[0], joint_covariance_full=mean),))
        for result in results
    ]
    flat = smooth(flat, 'kalman', 30.0, hand_model=hand_pair())
    assert error(smoothed, gt) < 0.9 * error(flat, gt)


def test_a_track_has_one_shape(smoothed):
    betas = np.stack([result.hands[0].mano.betas for result in smoothed])
    assert (betas == betas[0]).all()
    np.testing.assert_allclose(betas[0], BETAS, atol=0.1)


def check_consistent(results, refined=True):
    """Parameters, mesh, joints, pixel coordinates and cameras say the same."""
    for result in results:
        hand = result.hands[0]
        vectors = np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
        rotations = matrix_from_axis_angle(
            torch.from_numpy(vectors.reshape(1, 16, 3).astype(np.float64))
        ).numpy()
        posed = PosedHand(hand_pair(), hand.side)(rotations, hand.mano.betas)
        mesh = hand.coarse_vertices if refined else hand.vertices
        np.testing.assert_allclose(mesh, posed.vertices[0], atol=2e-6)
        # The mesh in the camera: MANO with transl, and vertices with translation.
        np.testing.assert_allclose(
            posed.root[0] + hand.mano.transl, hand.translation, atol=2e-6
        )
        seen = CAMERA @ hand.translation
        np.testing.assert_allclose(hand.joints_2d[0], seen[:2] / seen[2], atol=2e-3)
        camera = hand.crop_camera
        crop = hand.vertices[:, :2] * camera[:, 0] + camera[:, 1]
        crop = ((crop + 1) * SIZE - 1) / 2
        pixels = (crop - AFFINE[:, 2]) / AFFINE.diagonal()
        np.testing.assert_allclose(hand.vertices_2d, pixels, atol=2e-3)


@pytest.mark.parametrize(
    ('method', 'side'), [('kalman', 'left'), ('one_euro', 'right')]
)
def test_refined_results_stay_consistent(method, side):
    results, _ = make_video(side, refined=0.003, error_bars=False)
    found = smooth(results, method, 30.0, hand_model=hand_pair())
    check_consistent(found)
    regressor = hand_pair().joint_regressor[int(side == 'left')].numpy()
    for result in found:
        hand = result.hands[0]
        assert np.abs(hand.vertices - hand.coarse_vertices).max() > 0.001
        np.testing.assert_allclose(regressor @ hand.vertices, hand.joints, atol=2e-6)
    assert jitter(found) < 0.3 * jitter(results)


def test_results_without_stages_are_exactly_the_hand_model():
    results, _ = make_video(refined=None, noise=0.0)
    found = smooth(results, 'kalman', 30.0, hand_model=hand_pair())
    check_consistent(found, refined=False)
    for before, after in zip(results, found):
        np.testing.assert_allclose(
            after.hands[0].vertices, before.hands[0].vertices, atol=0.0015
        )


def test_a_one_hand_model_serves_the_left_hand_mirrored():
    results, _ = make_video('left', refined=None)
    single = SingleHand().double()
    one = smooth(results, 'one_euro', 30.0, hand_model=single)
    pair = smooth(results, 'one_euro', 30.0, hand_model=hand_pair())
    np.testing.assert_allclose(joints_of(one), joints_of(pair), atol=1e-4)


def test_missing_frames_are_predicted_through(video, smoothed):
    results, gt = video
    gaps = [frame(r.index) if r.index in (7, 8, 12) else r for r in results]
    gaps[8] = frame(8, decoded=False)
    gaps[9] = replace(gaps[9], hands=(replace(gaps[9].hands[0], presence=0.6),))
    found = smooth(list(track(gaps)), 'kalman', 30.0, hand_model=hand_pair())
    assert [len(result.hands) for result in found] == [
        0 if t == 8 else 1 for t in range(FRAMES)
    ]
    assert 'frame 8' in found[8].problem and not found[7].problem
    assert found[7].hands[0].presence == pytest.approx(0.6)
    assert found[7].track_ids == (0,)
    filled = np.linalg.norm(found[7].hands[0].joints - gt[7], axis=-1).mean()
    assert filled < 3 * error(smoothed, gt) + 0.002


def test_one_euro_fills_no_gap_and_looks_at_no_later_frame(video):
    results = video[0][:9]
    results[4] = frame(4)
    found = smooth(list(track(results)), 'one_euro', 30.0, hand_model=hand_pair())
    assert not found[4].hands
    one_shape = [
        replace(
            r,
            hands=tuple(
                replace(h, mano=replace(h.mano, betas=np.float32(BETAS)))
                for h in r.hands
            ),
        )
        for r in results
    ]
    whole, half = (
        smooth(list(track(part)), 'one_euro', 30.0, hand_model=hand_pair())
        for part in (one_shape, one_shape[:6])
    )
    np.testing.assert_allclose(whole[5].hands[0].joints, half[5].hands[0].joints)


class OnDisk:
    """Results that are made anew whenever they are asked for; those in use, and how
    many were at most.
    """

    def __init__(self, results):
        self.results, self.alive, self.most = results, weakref.WeakSet(), 0

    def __len__(self):
        return len(self.results)

    def __getitem__(self, number):
        result = replace(self.results[number])
        self.alive.add(result)
        self.most = max(self.most, len(self.alive))
        return result


@pytest.mark.parametrize('method', ['kalman', 'one_euro'])
def test_windows_are_the_whole_and_hold_no_more_than_one(method, monkeypatch):
    """With a gap, a track that begins late, one that ends, and a frame left out."""
    poses = poses_of(70)
    rng = np.random.default_rng(3)
    frames = []
    for t, vectors in enumerate(poses):
        noisy = vectors + 0.02 * rng.normal(size=48)
        hands = [make_hand(noisy, BETAS, wrist_at(t), refined=0.003)]
        if 18 <= t < 41:
            away = wrist_at(t) - [0.3, 0, 0]
            hands.append(make_hand(noisy, BETAS, away, 'left', refined=0.003))
        if t != 33:
            frames.append(frame(t, *(() if t in (15, 16) else hands)))
    results = list(track(frames))
    model = hand_pair()
    # Of a track that begins, as many frames are read for its noise.
    monkeypatch.setattr(smoothing, 'LONGEST', 40)
    for module in (smoothing, hand_track):
        monkeypatch.setattr(module, 'PART', 100)
    whole = smooth(results, method, hand_model=model)
    for module in (smoothing, hand_track):
        monkeypatch.setattr(module, 'PART', 14)
        monkeypatch.setattr(module, 'AHEAD', 32)
    stored, parts = OnDisk(results), []
    for result in smooth_frames(stored, method, hand_model=model):
        parts.append(result)
    assert 14 <= stored.most <= 14 + 32 + 1
    assert [part.index for part in parts] == [one.index for one in whole]
    for part, one in zip(parts, whole):
        assert part.track_ids == one.track_ids
        for a, b in zip(part.hands, one.hands):
            assert a.presence == b.presence
            np.testing.assert_allclose(a.joints, b.joints, atol=4e-4)
            np.testing.assert_allclose(a.vertices, b.vertices, atol=4e-4)
            np.testing.assert_allclose(a.translation, b.translation, atol=1e-3)
            np.testing.assert_allclose(a.mano.betas, b.mano.betas, atol=1e-6)


def test_a_track_s_mean_pose_is_that_of_scipy():
    vectors = poses_of(9)
    hands = [make_hand(one, BETAS, wrist_at(0)) for one in vectors]
    survey = TrackSurvey(0, hands[0])
    for t, hand in enumerate(hands):
        survey.add(t, hand)
    for k in range(16):
        rotations = Rotation.from_rotvec(vectors[:, 3 * k : 3 * k + 3])
        expected = rotations.mean().as_matrix()
        np.testing.assert_allclose(survey.centres()[k], expected, atol=1e-6)


@pytest.mark.parametrize('frames', [1, 5])
@pytest.mark.parametrize('method', ['kalman', 'one_euro'])
def test_short_videos_are_smoothed(video, frames, method):
    found = smooth(video[0][:frames], method, 30.0, hand_model=hand_pair())
    assert all(np.isfinite(result.hands[0].vertices).all() for result in found)


def test_none_changes_nothing(video):
    assert smooth(video[0], 'none') == video[0]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(method='median'), "method 'median'; choose from"),
        (dict(method='kalman'), 'needs hand_model'),
        (dict(method='one_euro', fps=0), 'fps is 0'),
    ],
)
def test_wrong_use_is_told(video, arguments, message):
    with pytest.raises(ValueError, match=message):
        smooth(video[0], **arguments)


def test_untracked_results_are_refused(video):
    untracked = [replace(video[0][0], track_ids=())]
    with pytest.raises(ValueError, match='1 hands but 0 track_ids'):
        smooth(untracked, hand_model=hand_pair())
