"""Browsing FreiHAND and HO-3D with their data configs alone."""

import runpy
import sys
from pathlib import Path

import cv2
import pytest

from tests.right_hand_fixture import write_freihand, write_ho3d

ROOT = Path(__file__).parents[2]
TILE, GAP = 512, 4  # pixels of a picture of the crop


def write(name, root):
    if name == 'ho3d':
        return write_ho3d(root, 2)
    return write_freihand(root, 1)


@pytest.mark.parametrize('name, phase, mode, count', [
    ('freihand', 'train', 'transformed', 4), ('ho3d', 'test', 'original', 2)])
def test_each_image_is_drawn_with_its_mesh(
        tmp_path, monkeypatch, name, phase, mode, count):
    write(name, tmp_path)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    out = tmp_path / 'pictures'
    monkeypatch.setattr(sys, 'argv', [
        'browse_dataset.py', str(ROOT / f'configs/_base_/datasets/{name}_mesh.py'),
        '--output-dir', str(out), '--phase', phase, '--mode', mode,
        '--cfg-options', f'{phase}_dataloader.dataset.data_root={tmp_path}'])
    runpy.run_path(str(ROOT / 'tools/misc/browse_dataset.py'), run_name='__main__')
    pictures = [cv2.imread(str(path)) for path in sorted(out.iterdir())]
    assert len(pictures) == count
    for picture in pictures:  # joints and mesh, side by side
        assert picture.shape[1] >= 2 * (TILE + GAP)
