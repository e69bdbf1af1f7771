"""Browsing FreiHAND and HO-3D with their data configs alone."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.datasets.datasets import HO3DMeshDataset
from mmhand_dne.hand_model import HandPair
from mmhand_dne.visualization.panel import ground_truth_panel as gt_panel
from tests.interhand_fixture import write_interhand
from tests.right_hand_fixture import write_freihand, write_ho3d
from tests.test_datasets.right_hand_laws import AUGMENTED

ROOT = Path(__file__).parents[2]
TILE, GAP = 512, 4  # pixels of a picture of the crop


def write(name, root):
    if name == 'ho3d':
        return write_ho3d(root, 2)
    return write_freihand(root, 1)


@pytest.mark.parametrize(
    'name, phase, mode, count',
    [('freihand', 'train', 'transformed', 4), ('ho3d', 'test', 'original', 2)],
)
def test_each_image_is_drawn_with_its_mesh(
    tmp_path, monkeypatch, name, phase, mode, count
):
    write(name, tmp_path)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    out = tmp_path / 'pictures'
    monkeypatch.setattr(
        sys,
        'argv',
        [
            'browse_dataset.py',
            str(ROOT / f'configs/_base_/datasets/{name}_mesh.py'),
            '--output-dir',
            str(out),
            '--phase',
            phase,
            '--mode',
            mode,
            '--cfg-options',
            f'{phase}_dataloader.dataset.data_root={tmp_path}',
        ],
    )
    runpy.run_path(str(ROOT / 'tools/misc/browse_dataset.py'), run_name='__main__')
    pictures = [cv2.imread(str(path)) for path in sorted(out.iterdir())]
    assert len(pictures) == count
    for picture in pictures:  # joints and mesh, side by side
        assert picture.shape[1] >= 2 * (TILE + GAP)


def browse(monkeypatch, config, out, *options):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        sys,
        'argv',
        [
            'browse_dataset.py',
            str(ROOT / 'configs' / config),
            '--output-dir',
            str(out),
            '--max-item-per-dataset',
            '1',
            '--cfg-options',
            *options,
        ],
    )
    runpy.run_path(str(ROOT / 'tools/misc/browse_dataset.py'), run_name='__main__')
    return {
        path.name[0]: cv2.imread(str(path))[..., ::-1] for path in sorted(out.iterdir())
    }


def test_a_mixture_shows_each_of_its_sets(tmp_path, monkeypatch):
    """HaMeR's, whose crops have changed tones and are no bytes."""
    write_interhand(tmp_path / 'interhand', 1)
    write('freihand', tmp_path / 'freihand')
    write('ho3d', tmp_path / 'ho3d')
    pictures = browse(
        monkeypatch,
        'hamer/hamer_vit-h_8xb32-9e_mixed-256x256.py',
        tmp_path / 'out',
        *(
            f'train_dataloader.dataset.datasets.{i}.dataset.data_root={tmp_path / name}'
            for i, name in enumerate(('interhand', 'freihand', 'ho3d'))
        ),
    )
    assert list(pictures) == ['0', '1', '2']
    for picture in pictures.values():
        assert picture.shape[1] >= 2 * (TILE + GAP)
        yellow = np.abs(picture.astype(int) - gt_panel.BOX_COLOR).sum(-1) < 60
        assert yellow.sum() > 200  # the box


@pytest.fixture
def captions(monkeypatch):
    """The lines above the pictures of a panel, as they are drawn."""
    said = []
    caption = gt_panel.caption
    monkeypatch.setattr(
        gt_panel,
        'caption',
        lambda picture, *lines: (said.extend(lines), caption(picture, *lines))[1],
    )
    return said


@pytest.mark.parametrize(
    'gt, prob, expected',
    [
        (
            False,
            0,
            [
                'id 0, right + left?',
                'right 1 joints (1 in 3D), left 0 joints (0 in 3D)',
            ],
        ),
        (
            True,
            0,
            [
                'id 0, right + left?',
                'right 21 joints (21 in 3D), left 0 joints (0 in 3D)',
                'mesh',
                'right (no MANO parameters)',
            ],
        ),
        # The original image of a mirrored sample shows what it is.
        (
            True,
            1,
            [
                'id 0, left? + right, mirrored',
                'left 0 joints (0 in 3D), right 21 joints (21 in 3D)',
                'mesh',
                'right (no MANO parameters)',
            ],
        ),
    ],
)
def test_the_captions_tell_what_is_known(tmp_path, captions, gt, prob, expected):
    write('ho3d', tmp_path)
    files = {f'{name}_file': f'evaluation_{name}.json' for name in ('xyz', 'verts')}
    steps = [AUGMENTED[0], dict(AUGMENTED[1], prob=prob), *AUGMENTED[2:]]
    item = HO3DMeshDataset(
        'evaluation.txt', str(tmp_path), pipeline=steps, **(files if gt else {})
    )[0]
    image = cv2.imread(item['data_samples'].img_path)
    faces = HandPair().faces
    panel = gt_panel.draw_ground_truth(
        image, item['data_samples'], faces, original=True
    )
    assert captions == expected
    assert panel.shape[1] == (1 + gt) * (640 + GAP)
