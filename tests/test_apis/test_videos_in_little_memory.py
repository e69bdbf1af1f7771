"""A long video: what is kept of it on disk, rows in one file, times of its frames."""

import os
import resource
import signal
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from mmhand_dne.apis.inputs import timed_video, video
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.inputs.video import Video, VideoWriter
from mmhand_dne.apis.result_store import ResultStore
from mmhand_dne.apis.result_writers.json_writer import as_text
from mmhand_dne.apis.result_writers.row_writer import MESHES, RowWriter, read_rows
from mmhand_dne.errors import UserError
from tests.moving_hands import frame, hand_pair, make_hand, smooth_vectors
from tests.tiny_inferencers import DNE, tiny_inferencer
from tests.video_files import grey_images, write_video

FACES = dict(zip(('right', 'left'), hand_pair().faces.numpy()))
COVARIANCE = 1e-5 * np.eye(60)


@pytest.fixture
def results():
    poses, betas = smooth_vectors(3), np.zeros(10)
    hands = [
        make_hand(vectors, betas, np.array([0, 0, 0.6]), side, covariance=covariance)
        for vectors, side, covariance in zip(
            poses, ('right', 'left', 'right'), (COVARIANCE, None, COVARIANCE)
        )
    ]
    found = [frame(0, hands[0]), frame(1), frame(2, *hands[1:]), frame(5)]
    found[0] = replace(found[0], track_ids=(3,), maps=dict(mask=np.ones((1, 4, 5))))
    return found


def check_equal(one, other):
    assert as_text(one) == as_text(other)
    for a, b in zip(one.hands, other.hands):
        for field in fields(a):
            value = getattr(a, field.name)
            if isinstance(value, np.ndarray):
                assert value.dtype == getattr(b, field.name).dtype
    if one.maps:
        np.testing.assert_array_equal(one.maps['mask'], other.maps['mask'])


def test_what_is_stored_is_read_back_unchanged(results, tmp_path):
    with ResultStore(tmp_path / 'a', FACES) as store:
        for result in results:
            store.append(result)
            check_equal(store[len(store) - 1], result)
    with ResultStore(tmp_path / 'a', FACES) as store:
        assert (len(store), store.last) == (4, 5)
        for one, other in zip(store, results, strict=True):
            check_equal(one, other)
    # A hand and frame takes a fifth of its JSON.
    assert (tmp_path / 'a').stat().st_size < 3 * 55_000


@pytest.mark.parametrize('lost', [1, 9, 40_000])
def test_what_a_killed_run_was_writing_is_cut_off(results, tmp_path, lost):
    path = tmp_path / 'a'
    with ResultStore(path, FACES) as store:
        for result in results[:3]:
            store.append(result)
    os.truncate(path, path.stat().st_size - lost)
    with ResultStore(path, FACES) as store:
        assert (len(store), store.last) == (2, 1)
        store.append(results[2])
        check_equal(store[2], results[2])


def test_rows_have_all_but_the_meshes(results, tmp_path):
    path = tmp_path / 'new' / 'clip.jsonl'
    with RowWriter(path) as rows:
        for result in results:
            rows.add(result, result.index / 30)
        assert not path.exists()
    found = list(read_rows(path))
    assert [row['index'] for row in found] == [0, 1, 2, 5]
    assert [row['time'] for row in found] == pytest.approx(
        [0, 1 / 30, 2 / 30, 5 / 30], abs=1e-6
    )
    assert found[0]['track_ids'] == [3] and found[1]['problem'] == results[1].problem
    for row, result in zip(found, results):
        for hand, wanted in zip(row['hands'], result.hands, strict=True):
            names = {
                f.name for f in fields(wanted) if getattr(wanted, f.name) is not None
            }
            assert set(hand) == names - set(MESHES)
            np.testing.assert_array_equal(hand['joints'], wanted.joints)
            np.testing.assert_array_equal(hand['mano']['betas'], wanted.mano.betas)
    assert path.stat().st_size < 3 * 12_000
    path.write_text('{"schema": "other"}\n')
    with pytest.raises(UserError, match="line 1 holds schema 'other'"):
        list(read_rows(path))
    with pytest.raises(KeyError), RowWriter(path):
        raise KeyError
    assert path.read_text() == '{"schema": "other"}\n'


def test_a_camera_s_rows_stay_where_it_is_stopped(results, tmp_path):
    with pytest.raises(KeyboardInterrupt), RowWriter(tmp_path / 'a', True) as rows:
        rows.add(results[0], 0.0)
        raise KeyboardInterrupt
    assert [row['index'] for row in read_rows(tmp_path / 'a')] == [0]


def test_the_inferencer_writes_rows_of_a_video_and_files_of_images(tmp_path):
    clip = write_video(tmp_path / 'clip.avi', grey_images(3, (96, 80)), 10)
    hands = tiny_inferencer(DNE, tmp_path)
    out = tmp_path / 'out'
    options = dict(pred_out_dir=str(out), formats=['json', 'npz'])
    assert len(list(hands(str(clip), **options))) == 3
    names = {path.name for path in out.iterdir()}
    assert names == {'clip.jsonl', *(f'clip_{i:06d}.npz' for i in range(3))}
    times = [row['time'] for row in read_rows(out / 'clip.jsonl')]
    assert times == pytest.approx([0, 0.1, 0.2])
    list(hands(grey_images(1, (96, 80)), pred_out_dir=str(out)))
    assert (out / 'array 0.json').exists() or (out / 'array_0.json').exists()


TIMES = [0.0, 0.033, 0.066, 0.35, 0.4, 0.9, 0.933]  # as a phone in the dark
needs_pyav = pytest.mark.skipif(
    not timed_video.has_pyav(), reason='PyAV is not installed (pip install av)'
)


def uneven(path):
    with VideoWriter(path, 30.0) as writer:
        for image, time in zip(grey_images(7), TIMES):
            writer.add(image, time)
    return path


@needs_pyav
def test_pictures_keep_their_times(tmp_path):
    path = uneven(tmp_path / 'a.mp4')
    frames = list(open_input(path))
    assert [one.time for one in frames] == pytest.approx(TIMES, abs=2e-4)
    for i, one in enumerate(frames):
        assert abs(int(np.median(one.image)) - 20 * i) <= 3
    # What is drawn of it is shown when the frame was.
    with VideoWriter(tmp_path / 'b.mp4', open_input(path).fps) as writer:
        for one in frames:
            writer.add(one.image, one.time)
    again = [one.time for one in open_input(tmp_path / 'b.mp4')]
    assert again == pytest.approx(TIMES, abs=2e-4)


@needs_pyav
@pytest.mark.parametrize('fps', [29.97, 12.5, 60.0])
def test_an_even_rate_stays_the_same(tmp_path, fps):
    with VideoWriter(tmp_path / 'a.mp4', fps) as writer:
        for image in grey_images(9):
            writer.add(image)
    capture = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, abs=1e-3)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 9


@needs_pyav
def test_what_opencv_cannot_decode_pyav_may(tmp_path, monkeypatch):
    path = write_video(tmp_path / 'a.mp4', grey_images(6), 25, 'mp4v')

    real = cv2.VideoCapture

    class Blind:
        """Knows the file but not its codec."""

        def __init__(self, path):
            self.capture = real(path)

        def __getattr__(self, name):
            return getattr(self.capture, name)

        def read(self):
            return False, None

    monkeypatch.setattr(cv2, 'VideoCapture', Blind)
    found = list(Video(path))
    assert [number for number, _, _ in found] == list(range(6))
    assert [time for _, _, time in found] == pytest.approx([i / 25 for i in range(6)])
    for i, (_, image, _) in enumerate(found):
        assert abs(int(np.median(image)) - 20 * i) <= 4


def test_without_pyav_it_is_said_that_pictures_move(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(video, 'has_pyav', lambda: False)
    monkeypatch.setattr(video, 'print_log', lambda text, *_, **__: said.append(text))
    with VideoWriter(tmp_path / 'even.mp4', 30.0) as writer:
        for i, image in enumerate(grey_images(7)):
            writer.add(image, i / 30 + 0.002)
    assert said == []
    uneven(tmp_path / 'a.mp4')
    assert len(said) == 1 and 'up to 0.73 s beside' in said[0]
    assert str(tmp_path / 'a.mp4') in said[0] and "'.[video]'" in said[0]
    assert len(Video(tmp_path / 'a.mp4')) == 7


@pytest.fixture
def full_disk():
    """A limit of the files' size stands for it: writes fail half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize('by', ['opencv', pytest.param('pyav', marks=needs_pyav)])
def test_a_full_disk_leaves_no_video_and_names_it(tmp_path, monkeypatch, full_disk, by):
    monkeypatch.setattr(video, 'has_pyav', lambda: by == 'pyav')
    path, rng = tmp_path / 'a.mp4', np.random.default_rng(0)
    with pytest.raises(OSError, match='written') as error:
        with VideoWriter(path, 30.0) as writer:
            for _ in range(40):
                writer.add(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))
    assert str(error.value).startswith(f'{path}: ')
    assert list(tmp_path.iterdir()) == []
