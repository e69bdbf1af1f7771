"""The demo as a user types it: agreement with the test tool, resuming, mistakes."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmhand_dne.apis.config_names import find_config
from mmhand_dne.apis.hand_mesh_inferencer import HandMeshInferencer
from mmhand_dne.apis.inputs.video import Video
from mmhand_dne.apis.result_writers import read_json
from tests.interhand_fixture import dataset_config, write_interhand
from tests.tiny_inferencers import (
    DNE,
    HAMER,
    WHOLE_IMAGE,
    noise_image,
    write_checkpoint,
)
from tests.video_files import damage, grey_images, write_video

SIDES = ('right', 'left')


@pytest.fixture
def demo(tool):
    """Run the demo in this process; returns exit status, output and last error line."""
    return partial(tool, 'demo.py')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    return {
        name: write_checkpoint(name, folder / f'{name}.pth') for name in (DNE, HAMER)
    }


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos ✋'
    folder.mkdir()
    for i in range(4):
        content = cv2.imencode('.png', noise_image(seed=i))[1].tobytes()
        (folder / f'{i}.png').write_bytes(content)
    return folder


@pytest.fixture(scope='module')
def annotated(tmp_path_factory):
    return write_interhand(tmp_path_factory.mktemp('set') / 'data', 6, split='test')


def mesh_errors(data_set, folder, name):
    """Mean distance of the vertices in mm, from the files alone: image by image."""
    errors = []
    for index in range(len(data_set)):
        info = data_set.get_data_info(index)
        result = read_json(folder / f'{name(info)}.json')
        hands = {hand.side: hand for hand in result.hands}
        found = [
            np.linalg.norm(
                hands[side].vertices - info['mesh_vertices'][slot], axis=-1
            ).mean()
            for slot, side in enumerate(SIDES)
            if info['mano_valid'][slot] > 0
        ]
        errors.append(1000 * np.mean(found))
    return np.mean(errors)


def test_files_agree_with_the_test_tool(demo, weights, annotated, tmp_path):
    """MPVPE from the saved JSON is the one that tools/test.py's metric prints."""
    from mmengine.runner import Runner
    from mmpose.registry import DATASETS

    files = dataset_config(annotated, 'test')
    cfg = Config.fromfile(find_config(DNE))
    cfg.test_dataloader.update(batch_size=4, num_workers=0)
    cfg.test_dataloader.pop('persistent_workers')
    cfg.test_dataloader.dataset.update(files)
    cfg.update(work_dir=str(tmp_path), load_from=str(weights[DNE]), log_level='ERROR')
    metrics = Runner.from_cfg(cfg).test()
    data_set = DATASETS.build(
        dict(cfg.test_dataloader.dataset, type=('InterHandMeshDataset'))
    )
    images = tmp_path / 'images'
    images.mkdir()
    boxes = {}
    for index in range(len(data_set)):
        info = data_set.get_data_info(index)
        name = f'{index}.jpg'
        (images / name).write_bytes(Path(info['img_path']).read_bytes())
        x0, y0, x1, y1 = (float(value) for value in info['bbox'][0])
        boxes[name] = [[x0, y0, x1, y1]]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    status, out, error = demo(
        images,
        DNE,
        weights[DNE],
        '--out-dir',
        tmp_path / 'out',
        '--bboxes',
        tmp_path / 'boxes.json',
        '--presence-thr',
        '0',
        *WHOLE_IMAGE,
    )
    assert status == 0, error
    assert '6 images: 12 hands, 0 images without' in out
    found = mesh_errors(data_set, tmp_path / 'out', lambda info: info['sample_idx'])
    assert found == pytest.approx(metrics['MPVPE_All'], abs=0.01)


def test_a_second_run_does_only_what_is_left(
    demo, weights, photos, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    command = (
        photos,
        DNE,
        weights[DNE],
        '--out-dir',
        out,
        '--presence-thr',
        '0',
        '--save',
        'json',
        'glb',
        '--batch-size',
        '1',
        *WHOLE_IMAGE,
    )
    forward, calls = HandMeshInferencer.forward, []

    def interrupted(self, inputs, **kwargs):
        calls.append(len(inputs))
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, inputs, **kwargs)

    monkeypatch.setattr(HandMeshInferencer, 'forward', interrupted)
    status, text, _ = demo(*command)
    assert status == 130 and 'stopped; 2 images: 4 hands' in text
    files = {path.name for path in out.iterdir()}
    assert files == {'0.json', '0.glb', '1.json', '1.glb', 'demo.json', 'done.jsonl'}
    status, text, _ = demo(*command)
    assert status == 0 and '2 images, 2 done before: 4 hands' in text
    assert len(calls) == 5
    # An image that changed, or whose files are gone, is done again; no other is.
    (photos / '0.png').write_bytes(
        cv2.imencode('.png', noise_image(seed=9))[1].tobytes()
    )
    (out / '3.glb').unlink()
    status, text, _ = demo(*command)
    assert (status, len(calls)) == (0, 7)
    status, _, error = demo(*command, '--flip-test')
    assert status == 2 and 'holds the results of a run with flip_test False' in error
    status, text, _ = demo(*command, '--flip-test', '--overwrite')
    assert status == 0 and '4 images: 8 hands' in text


def test_odd_images_are_named_and_the_rest_is_done(demo, weights, photos, tmp_path):
    (photos / '1.png').write_bytes(b'')
    for name in ('2.png', '3.png'):
        (photos / name).unlink()
    status, text, _ = demo(
        photos,
        HAMER,
        weights[HAMER],
        '--out-dir',
        tmp_path / 'out',
        '--side',
        'left',
        '--vis',
        'overlay',
        'uncertainty',
        *WHOLE_IMAGE,
        '--save',
        'json',
        'pkl-smplx',
    )
    assert status == 1
    assert f'note: {photos / "1.png"}: the file is empty (0 bytes)' in text
    assert '2 images: 1 hand, 1 image without' in text
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert {
        '0_overlay.jpg',
        '0_uncertainty.jpg',
        '1.json',
        '0_left_hand.smplx.pkl',
    } <= names
    assert '1_overlay.jpg' not in names
    assert 'is empty' in read_json(tmp_path / 'out/1.json').problem


def test_a_video_keeps_its_frames_and_its_rate(demo, weights, tmp_path):
    images = grey_images(6, (96, 80))
    clip = write_video(tmp_path / 'clip.avi', images, fps=29.97)
    damage(clip, (2,))
    out = tmp_path / 'out'
    command = (
        clip,
        DNE,
        weights[DNE],
        '--out-dir',
        out,
        '--vis',
        'overlay',
        '--smooth',
        'one_euro',
        '--frame-files',
        '--presence-thr',
        '0',
        *WHOLE_IMAGE,
    )
    status, text, error = demo(*command)
    assert status == 0, error
    assert f'note: {clip}: frame 2 could not be decoded' in text
    video = Video(out / 'clip_overlay.mp4')
    assert len(video) == 6 and video.fps == pytest.approx(Video(clip).fps, abs=1e-3)
    assert sum(image is not None for _, image, _ in video) == 6
    results = [read_json(out / f'clip_{i:06d}.json') for i in range(6)]
    assert [len(result.hands) for result in results] == [2, 2, 0, 2, 2, 2]
    assert results[0].track_ids == results[5].track_ids != ()
    shapes = [result.hands[0].mano.betas for result in results if result.hands]
    assert np.ptp(shapes, axis=0).max() < 1e-5  # one shape a track
    assert not (out / '.frames').exists()
    status, text, _ = demo(*command)
    assert status == 0 and '0 frames, 6 done before' in text


def test_mistakes_are_one_sentence(demo, weights, photos, tmp_path):
    good = (photos, DNE, weights[DNE], *WHOLE_IMAGE)
    (tmp_path / 'file').write_text('in the way')
    (tmp_path / 'empty').mkdir()
    for arguments, sentence in (
        ((*good, '--out-dir', tmp_path / 'file'), 'nothing can be written there'),
        ((*good, '--out-dir', tmp_path / 'a', '--save', 'stl'), "format 'stl'"),
        ((*good, '--out-dir', tmp_path / 'a', '--vis', 'cube'), 'no such picture'),
        ((*good, '--out-dir', tmp_path / 'a', '--K', '1', '2'), 'a camera of'),
        ((*good, '--out-dir', tmp_path / 'a', '--smooth', 'kalman'), 'needs a video'),
        (
            (tmp_path / 'empty', *good[1:], '--out-dir', tmp_path / 'a'),
            'the folder has no image',
        ),
        (  # a second picture where the config should be
            (photos, tmp_path / 'file', '--out-dir', tmp_path / 'b'),
            'is no config, whose name ends in one of .py',
        ),
        (
            (photos, 'dne_rendere', *good[2:], '--out-dir', tmp_path / 'b'),
            'did you mean dne_rendered',
        ),
        (
            (photos, HAMER, weights[HAMER], *WHOLE_IMAGE, '--out-dir', tmp_path / 'c'),
            'the model reads one hand',
        ),
        (
            (photos, HAMER, weights[DNE], *WHOLE_IMAGE, '--out-dir', tmp_path / 'd'),
            'is not of this model',
        ),
    ):
        status, _, error = demo(*arguments)
        assert status == 2 and error.startswith('error: ') and sentence in error
    # A run that came to nothing is not in the way of the next one.
    assert (
        demo(
            photos / '0.png',
            DNE,
            weights[DNE],
            *WHOLE_IMAGE,
            '--out-dir',
            tmp_path / 'd',
        )[0]
        == 0
    )
    assert (tmp_path / 'file').read_text() == 'in the way'
    assert not (tmp_path / 'a').exists()


def test_what_the_model_cannot_draw_is_one_sentence(demo, weights, photos, tmp_path):
    good = (
        photos / '0.png',
        DNE,
        weights[DNE],
        *WHOLE_IMAGE,
    )
    status, _, error = demo(*good, '--out-dir', tmp_path, '--vis', 'uncertainty')
    assert status == 2
    assert 'uncertainty shows error bars, which this model has not' in error
    status, _, error = demo(*good, '--out-dir', tmp_path, '--K', '1', 'x')
    assert status == 2 and 'expected four numbers fx fy cx cy' in error
    # Without names it is what the model can give.
    options = ('--vis', '--presence-thr', '0', '--out-dir', tmp_path)
    assert demo(*good, *options)[0] == 0
    assert {path.name for path in tmp_path.glob('*.jpg')} == {
        '0_overlay.jpg',
        '0_side.jpg',
        '0_coarse_refined.jpg',
    }


def test_a_report_of_many_images_says_what_it_leaves_out(
    demo, weights, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr('mmhand_dne.apis.demo_run.MOST_ENTRIES', 2)
    status, out, _ = demo(
        photos,
        DNE,
        weights[DNE],
        '--save',
        'none',
        '--report',
        '--presence-thr',
        '0',
        '--out-dir',
        tmp_path / 'out',
    )
    assert status == 0 and 'note: the report shows one image in 2: 2 at' in out
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert [f'{i}.png' in page for i in range(4)] == [True, False, True, False]


def test_the_shipped_model_needs_a_picture_only(demo, photos, tmp_path, monkeypatch):
    """It is found missing in one sentence, and finds no hand where there is none."""
    from mmhand_dne.apis import shipped_model
    from mmhand_dne.apis.inputs import palm_hands
    from mmhand_dne.models.detectors import HandFinder

    path = tmp_path / 'dne_real.pth'
    for module in (shipped_model, palm_hands):
        monkeypatch.setattr(module, 'SHIPPED_WEIGHTS', path)
    command = (
        photos,
        '--device',
        'cpu',
        '--out-dir',
        tmp_path / 'out',
        '--vis',
    )
    status, _, error = demo(*command)
    assert status == 2 and 'there is no such file of weights; install' in error
    finder = HandFinder()
    content = dict(
        torch.load(write_checkpoint('dne_real', path), weights_only=True),
        palm_detector=finder.palm_detector.state_dict(),
        hand_landmarker=finder.landmarker.state_dict(),
    )
    torch.save(content, path)
    monkeypatch.setattr(HandFinder, 'find', lambda *_: [])
    status, out, error = demo(*command)
    assert status == 0, error
    for i in range(4):
        assert f'note: {photos / f"{i}.png"}: the detector found no hand' in out
    assert '4 images: 0 hands, 4 images without' in out
