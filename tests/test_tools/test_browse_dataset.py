"""Browsing a data set: one picture per sample, ground truth where the image has it."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.visualization.canvas.lettering import caption_height, letter_height
from mmhand_dne.visualization.canvas.mesh_renderer import HAND_COLORS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/dne_rendered.py'
TRAIN, TEST = 3, 2  # images
TILE, GAP = 512, 4  # pixels of a picture of the crop
LABEL = caption_height(2, letter_height(TILE))


def run(monkeypatch, name, *arguments):
    """Run a tool in this process; returns its exit status."""
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """A few rendered hands; the first training frame has joints only."""
    root = tmp_path_factory.mktemp('browse') / 'data'
    arguments = f'--train {TRAIN} --test {TEST} --workers 1 --cameras 1 --seed 5'
    arguments += ' --interacting-share 1 --image-size 256 192'
    with pytest.MonkeyPatch.context() as patch:
        run(patch, 'make_rendered_data.py', root, *arguments.split())
    images = json.loads(annotations(root, 'train', 'data').read_text())['images']
    file = annotations(root, 'train', 'MANO_NeuralAnnot')
    manos = json.loads(file.read_text())
    manos[str(images[0]['capture'])].pop(str(images[0]['frame_idx']))
    file.write_text(json.dumps(manos))
    return root


def annotations(root, split, kind):
    return root / 'annotations' / split / f'InterHand2.6M_{split}_{kind}.json'


@pytest.fixture
def browse(data_root, tmp_path, monkeypatch):
    """Browse into a folder; returns the pictures by file name, RGB."""
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)

    def run_browser(*arguments, phase='train', options=()):
        folder = tmp_path / f'run{len(list(tmp_path.iterdir()))}'
        status = run(
            monkeypatch,
            'misc/browse_dataset.py',
            *(CONFIG, '--output-dir', folder, '--phase', phase, *arguments),
            *('--cfg-options', f'{phase}_dataloader.dataset.data_root={data_root}'),
            *options,
        )
        assert status == 0
        files = sorted(folder.iterdir())
        return {file.name: cv2.imread(str(file))[..., ::-1] for file in files}

    return run_browser


def test_each_sample_becomes_one_picture(browse):
    pictures = browse(phase='test')
    assert len(pictures) == TEST
    assert [name[:9] for name in pictures] == ['0_000000_', '0_000001_']
    for picture in pictures.values():  # joints and mesh, side by side
        assert picture.shape == (TILE + LABEL + GAP, 2 * (TILE + GAP), 3)


def test_no_more_than_the_limit_is_drawn(browse):
    assert len(browse('--max-item-per-dataset', 1)) == 1


def test_a_sample_without_a_mesh_shows_its_joints_alone(browse):
    first, *others = browse().values()
    assert first.shape[1] == TILE + GAP
    assert {other.shape[1] for other in others} == {2 * (TILE + GAP)}


def mesh_masks(picture):
    """Where the second picture of a panel shows a right and a left hand."""
    mesh = picture[LABEL:, picture.shape[1] // 2 :].astype(float)
    bright = mesh.max(axis=-1) > 60
    hue = mesh / mesh.max(axis=-1, keepdims=True).clip(1)
    colors = [np.array(color) / max(color) for color in HAND_COLORS]
    return [bright & (np.abs(hue - c).max(axis=-1) < 0.15) for c in colors]


def test_a_mirrored_and_rotated_sample_lies_on_the_original_hands(browse):
    steps = 'train_dataloader.dataset.pipeline'
    plain = [f'{steps}.1.prob=0.0', f'{steps}.2.prob=0.0', f'{steps}.3.rotation=0']
    rotated = [f'{steps}.1.prob=1.0', f'{steps}.2.prob=0.0', f'{steps}.3.rotation=80']
    pictures = [
        list(browse('--mode', 'original', options=options).values())[-1]
        for options in (plain, rotated)
    ]
    for straight, again in zip(*(mesh_masks(picture) for picture in pictures)):
        assert straight.sum() > 500
        assert (straight & again).sum() / (straight | again).sum() > 0.8


def test_pictures_that_would_go_nowhere_are_refused(monkeypatch, capsys):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    assert run(monkeypatch, 'misc/browse_dataset.py', CONFIG) == 2
    assert '--output-dir' in capsys.readouterr().err.splitlines()[-1]


def test_real_joints_are_drawn(real_data, tmp_path, monkeypatch):
    folder = real_data / 'interhand2.6m'
    prefix = 'test_dataloader.dataset'
    options = [f'{prefix}.data_root={folder}', f'{prefix}.mano_file=None']
    options += [f'{prefix}.data_prefix.img=']
    for key, kind in (('ann', 'data'), ('camera', 'camera'), ('joint', 'joint_3d')):
        options.append(f'{prefix}.{key}_file=test_interhand2.6m_{kind}.json')
    for mode in ('original', 'transformed'):
        status = run(
            monkeypatch,
            'misc/browse_dataset.py',
            *(ROOT / 'configs/dne_interhand.py', '--not-show', '--phase', 'test'),
            *('--mode', mode, '--output-dir', tmp_path / mode),
            *('--cfg-options', *options),
        )
        assert status == 0
        assert len(list((tmp_path / mode).iterdir())) == 4
