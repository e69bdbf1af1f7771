"""The demo a second time: what is done is kept, and only what is still true."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from mmhand_dne.apis.config_names import find_config
from mmhand_dne.apis.result_writers import read_json
from mmhand_dne.apis.run_record import RunRecord
from tests.tiny_inferencers import DNE, WHOLE_IMAGE, noise_image, write_checkpoint


@pytest.fixture
def demo(tool):
    return partial(tool, 'demo.py')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return {DNE: write_checkpoint(DNE, tmp_path_factory.mktemp('weights') / 'a.pth')}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for i in range(4):
        Image.fromarray(noise_image(seed=i)).save(folder / f'{i}.png')
    return folder


def test_what_a_result_depends_on_is_compared_by_content(
    demo, weights, photos, tmp_path
):
    """With the same names, sizes and times of change."""
    camera, config = tmp_path / 'K.txt', tmp_path / 'own.py'
    checkpoint = tmp_path / 'own.pth'
    camera.write_text('900 900 100 80')
    config.write_text(f'_base_ = {find_config(DNE)!r}\nremark = 1\n')
    checkpoint.write_bytes(weights[DNE].read_bytes())
    command = [
        photos,
        config,
        checkpoint,
        *WHOLE_IMAGE,
        '--K',
        camera,
    ]
    command += ['--out-dir', tmp_path / 'out', '--presence-thr', '0']
    command += ['--save', 'json', 'glb', '--vis', 'overlay']
    assert demo(*command)[0] == 0
    assert '4 done before' in demo(*command)[1]
    for path, content, name in (
        (camera, b'901 900 100 80', 'K'),
        (config, config.read_bytes().replace(b'remark = 1', b'remark = 2'), 'config'),
        (checkpoint, other_weights(checkpoint), 'checkpoint'),
    ):
        before = path.read_bytes()
        rewrite(path, content)
        status, _, error = demo(*command)
        assert status == 2 and f'before the content of its {name} changed' in error
        rewrite(path, before)
    assert '4 done before' in demo(*command)[1]
    # A picture changed in place is done again.
    rewrite(photos / '1.png', (photos / '2.png').read_bytes())
    os.utime(photos / '1.png', ns=(5, 5))
    assert '1 image, 3 done before' in demo(*command)[1]


def test_old_files_do_not_stay_beside_new_results(demo, weights, photos, tmp_path):
    out = tmp_path / 'out'
    command = [
        photos,
        DNE,
        weights[DNE],
        *WHOLE_IMAGE,
        '--out-dir',
        out,
    ]
    command += ['--presence-thr', '0']
    assert demo(*command, '--save', 'json', 'glb', '--vis', 'overlay')[0] == 0
    (out / 'mine.txt').write_text('not of a run')
    (photos / '0.png').write_bytes(b'')
    assert demo(*command, '--save', 'json', 'glb', '--vis', 'overlay')[0] == 1
    assert sorted(path.name for path in out.glob('0*')) == ['0.json']
    assert 'is empty' in read_json(out / '0.json').problem
    # Another command that starts anew leaves nothing of the earlier one.
    status, _, error = demo(*command, '--save', 'ply')
    assert status == 2 and 'holds the results of a run with save' in error
    assert demo(*command, '--save', 'ply', '--overwrite')[0] == 1
    names = {path.name for path in out.iterdir()}
    assert {'1.ply', '2.ply', '3.ply', 'mine.txt'} <= names
    assert not [name for name in names if name.endswith(('.glb', '.jpg', '1.json'))]


def test_one_run_at_a_time_writes_into_a_folder(demo, weights, photos, tmp_path):
    command = (
        photos,
        DNE,
        weights[DNE],
        *WHOLE_IMAGE,
        '--out-dir',
        tmp_path,
    )
    with RunRecord(tmp_path, {}):
        status, _, error = demo(*command, '--overwrite')
        assert status == 2 and f'process {os.getpid()} is writing there' in error
    assert demo(*command, '--overwrite')[0] == 0
    assert not (tmp_path / '.lock').exists()


def test_results_do_not_become_inputs(demo, weights, photos, tmp_path):
    command = (
        DNE,
        weights[DNE],
        *WHOLE_IMAGE,
        '--vis',
        'overlay',
    )
    for given in (photos, f'{photos}/*', f'{tmp_path}/**/*.png'):
        status, _, error = demo(given, *command, '--out-dir', photos)
        assert status == 2 and 'is the output folder and holds the input' in error
    assert len(list(photos.iterdir())) == 4
    assert demo(photos / '0.png', *command, '--out-dir', photos)[0] == 0


def rewrite(path, content):
    """Another content, changed at the same time."""
    times = os.stat(path)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def other_weights(path):
    """The same file with one number changed."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


def test_what_cannot_be_read_is_exit_status_1(demo, weights, photos, tmp_path):
    for path in photos.iterdir():
        path.write_bytes(b'no image')
    out = tmp_path / 'out'
    command = (
        photos,
        DNE,
        weights[DNE],
        *WHOLE_IMAGE,
        '--out-dir',
        out,
    )
    for _ in range(2):  # what could not be read is tried again
        status, text, error = demo(*command)
        assert status == 1 and 'nothing could be read' in error
        assert '4 images: 0 hands, 4 images without' in text
    Image.fromarray(noise_image()).save(photos / '2.png')
    status, text, error = demo(*command)
    assert status == 1 and '4 images: ' in text
    assert '3 of 4 could not be read' in error
    status, text, error = demo(*command)
    assert status == 1 and '3 images, 1 done before' in text
    assert '3 of 4 could not be read' in error


def test_console_and_report_say_what_a_model_has_not_learned(demo, weights, tmp_path):
    content = torch.load(weights[DNE], weights_only=True)
    content['meta']['trained_on'] = [dict(name='interhand26m', rendered=True)]
    torch.save(content, tmp_path / 'rendered.pth')
    caution = f'{tmp_path / "rendered.pth"} was trained on rendered images only'
    photo = Path(__file__).parents[1] / 'data/hands/1193_4.jpg'
    command = (photo, DNE, tmp_path / 'rendered.pth', '--device', 'cpu', '--report')
    status, out, error = demo(*command, '--out-dir', tmp_path / 'out')
    assert status == 0, error
    assert caution in out
    assert caution in (tmp_path / 'out/report.html').read_text()
