"""The demo's report and colours: refused early, one range for a run, a video in it."""

import base64
import json
import re
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

from mmhand_dne.apis.hand_mesh_inferencer import HandMeshInferencer
from mmhand_dne.apis.inputs import video
from mmhand_dne.apis.result_writers import read_json, report_clip
from mmhand_dne.apis.result_writers.report_clip import ReportClip
from mmhand_dne.visualization.report import report_page
from mmhand_dne.visualization.results.result_pictures import draw_result
from mmhand_dne.visualization.results.result_views import run_span
from tests.tiny_inferencers import HAMER, noise_image, write_checkpoint
from tests.video_files import grey_images, write_video

WHOLE = ('--detector', 'whole_image')


@pytest.fixture
def demo(tool):
    return partial(tool, 'demo.py')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    return {HAMER: write_checkpoint(HAMER, folder / 'model.pth')}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for i in range(3):
        add_photo(folder, i)
    return folder


def add_photo(folder, number):
    content = cv2.imencode('.png', noise_image(seed=number))[1].tobytes()
    (folder / f'{number}.png').write_bytes(content)


@pytest.fixture
def vaguer(monkeypatch):
    """The deviations of image i are those of 10 (i + 1) mm in the mean."""
    result_of, predicted = HandMeshInferencer.result_of, []

    def scaled(self, job, presence_thr=0.5):
        result = result_of(self, job, presence_thr)
        (hand,) = result.hands
        factor = 10 * (result.index + 1) / hand.joint_std.mean()
        predicted.append(result.index)
        hand = replace(
            hand,
            joint_std=np.float32(factor * hand.joint_std),
            joint_covariance=np.float32(factor**2 * hand.joint_covariance),
        )
        return replace(result, hands=(hand,))

    monkeypatch.setattr(HandMeshInferencer, 'result_of', scaled)
    return predicted


def colours(photos, out, number, span):
    """How far a written picture is from the one with colours up to ``span`` mm."""
    written = cv2.imread(str(out / f'{number}_uncertainty.jpg'))[..., ::-1]
    result = read_json(out / f'{number}.json')
    image = cv2.imread(str(photos / f'{number}.png'))[..., ::-1].copy()
    drawn = draw_result(image, result, ['uncertainty'], span=span)['uncertainty']
    return np.abs(written.astype(int) - drawn).mean()


def test_a_run_has_one_range_of_colours(demo, weights, photos, tmp_path, vaguer):
    out = tmp_path / 'out'
    command = (
        *(photos, HAMER, weights[HAMER], '--out-dir', out, '--side', 'right', *WHOLE),
        *('--vis', 'uncertainty', '--device', 'cpu', '--batch-size', '1'),
    )
    assert demo(*command)[0] == 0
    results = [read_json(out / f'{i}.json') for i in range(3)]
    span = run_span(results)
    assert span > run_span(results[:1])
    assert all(colours(photos, out, i, span) < 1.5 for i in range(3))
    assert colours(photos, out, 0, run_span(results[:1])) > 3
    assert vaguer == [0, 1, 2]  # what was drawn again was read from its file
    # An image more, of larger deviations: those that were done are drawn again.
    add_photo(photos, 3)
    status, text, _ = demo(*command)
    assert status == 0 and '1 image, 3 done before' in text
    wider = run_span([read_json(out / '3.json')])
    assert wider > span
    assert all(colours(photos, out, i, wider) < 1.5 for i in range(4))
    lines = [json.loads(line) for line in (out / 'done.jsonl').read_text().splitlines()]
    last = {line['name']: line['span'] for line in lines}
    assert set(last.values()) == {wider}
    assert demo(*command)[0] == 0 and vaguer == [0, 1, 2, 3]


def test_without_files_of_results_they_are_predicted_again(
    demo, weights, photos, tmp_path, vaguer
):
    out = tmp_path / 'out'
    status, _, error = demo(
        *(photos, HAMER, weights[HAMER], '--out-dir', out, '--side', 'right', *WHOLE),
        *('--vis', 'uncertainty', '--device', 'cpu', '--save', 'none'),
    )
    assert status == 0, error
    assert vaguer == [0, 1, 2, 0, 1]
    legends = {
        cv2.imread(str(out / f'{i}_uncertainty.jpg'))[-50:].std() for i in (0, 2)
    }
    assert np.ptp(list(legends)) < 1


def test_a_report_that_cannot_be_written_is_refused_first(
    demo, photos, tmp_path, monkeypatch
):
    def missing(name):
        raise report_page.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(report_page.metadata, 'distribution', missing)
    status, _, error = demo(
        photos, HAMER, tmp_path / 'none.pth', '--report', '--out-dir', tmp_path / 'out'
    )
    assert status == 2 and "pip install 'mmhand_dne[report]'" in error
    assert not (tmp_path / 'out').exists()  # before the checkpoint was looked for


@pytest.mark.parametrize('pyav', [True, False])
def test_a_report_of_a_video_plays_it(demo, weights, tmp_path, monkeypatch, pyav):
    if pyav:
        pytest.importorskip('av')
    monkeypatch.setattr(video, 'has_pyav', lambda: pyav)
    clip = write_video(tmp_path / 'clip.avi', grey_images(3, (96, 80)), fps=10)
    status, text, error = demo(
        *(clip, HAMER, weights[HAMER], '--out-dir', tmp_path / 'out', '--report'),
        *('--side', 'right', '--device', 'cpu', *WHOLE),
    )
    assert status == 0, error
    page = (tmp_path / 'out' / 'report.html').read_text()
    (found,) = re.findall(r'<video[^>]*src="data:video/mp4;base64,([^"]*)"', page)
    (tmp_path / 'found.mp4').write_bytes(base64.b64decode(found))
    capture = cv2.VideoCapture(str(tmp_path / 'found.mp4'))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little')
    assert code == (b'h264' if pyav else b'VP90')
    assert capture.read()[1].shape == (80, 96, 3)
    assert 'clip.avi with the predicted meshes' in page and 'Right hand' in page
    assert not list((tmp_path / 'out').glob('*.mp4'))  # it was not asked for


def test_a_clip_is_the_beginning_of_a_long_video(monkeypatch):
    monkeypatch.setattr(report_clip, 'CLIP_SECONDS', 0.5)
    with ReportClip('long.mp4', 10.0) as clip:
        for i in range(9):
            if clip.wants(i / 10):
                clip.add(np.full((600, 1200, 3), 9 * i, np.uint8), i / 10)
    folder = clip.path.parent
    found = clip.take()
    assert not folder.exists()
    assert found.words == 'The first 0.5 seconds of long.mp4 with the predicted meshes'
    assert found.poster.shape == (240, 480, 3)
    with ReportClip('none.mp4', 10.0) as empty:
        pass
    assert empty.take() is None and not empty.path.parent.exists()
    with pytest.raises(KeyError), ReportClip('broken.mp4', 10.0) as broken:
        broken.add(np.zeros((8, 8, 3), np.uint8), 0.0)
        raise KeyError
    assert not broken.path.parent.exists()
