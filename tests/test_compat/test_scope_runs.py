"""A config on ``_base_ = 'mmhand_dne::...'`` builds, trains, tests and infers."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import mmpose
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import MODELS

import mmhand_dne
from mmhand_dne.apis import HandMeshInferencer
from tests.interhand_fixture import write_interhand

ROOT = Path(__file__).resolve().parents[2]
BY_SCOPE = "'mmhand_dne::dne_rendered.py'"
LEAF = """
_base_ = {base}
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(data_root={root!r}))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(data_root={root!r}))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
custom_hooks = []
param_scheduler = None
"""


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('scope') / 'data'
    for split in ('train', 'test'):
        write_interhand(root, 3, split=split)
    return root


@pytest.fixture
def leaf(data_root, tmp_path):
    path = tmp_path / 'leaf.py'
    path.write_text(LEAF.format(base=BY_SCOPE, root=str(data_root)))
    return path


def run_tool(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def test_it_trains_tests_and_infers(leaf, tmp_path, monkeypatch):
    run_tool(monkeypatch, 'train.py', leaf, '--work-dir', tmp_path)
    checkpoint = tmp_path / 'epoch_1.pth'
    run_tool(monkeypatch, 'test.py', leaf, checkpoint, '--work-dir', tmp_path / 'test')
    photo = tmp_path / 'photo.jpg'
    cv2.imwrite(str(photo), np.full((90, 90, 3), 128, np.uint8))
    hands = HandMeshInferencer(str(leaf), str(checkpoint), device='cpu')
    assert next(iter(hands.results(str(photo)))).hands is not None


def test_mmpose_init_model_takes_it(leaf):
    from mmpose.apis import init_model  # where mmdet is absent only after the plug-in

    assert type(init_model(str(leaf), device='cpu')).__name__ == 'HandMeshEstimator'


@pytest.mark.parametrize(
    'bases',
    [
        ['mmpose::_base_/default_runtime.py', 'mmhand_dne::_base_/models/dne_r50.py'],
        [
            'mmhand_dne::_base_/default_runtime.py',
            'mmhand_dne::_base_/models/dne_r50.py',
        ],
        ['mmhand_dne::dne_interhand.py'],
    ],
)
def test_bases_of_two_packages_build(bases, tmp_path):
    path = tmp_path / 'two.py'
    path.write_text(
        f'_base_ = {bases}\nmodel = dict(backbone=dict(init_cfg=None, depth=18),'
        'neck=dict(in_channels=[64, 128, 256, 512]))'
    )
    assert MODELS.build(Config.fromfile(path).model).refine_head is not None


def test_a_name_with_the_scope_is_found_and_others_fall_back():
    assert MODELS.get('mmhand_dne.DNEHead') is MODELS.get('DNEHead')
    ours = next(r for r in mmhand_dne.registry.REGISTRIES if r.name == 'model')
    assert ours.get('TopdownPoseEstimator') is MODELS.get('TopdownPoseEstimator')
    assert ours.get('BaseDataPreprocessor') is MODELS.get('BaseDataPreprocessor')


def test_mmpose_own_training_tool_takes_a_base_of_ours(data_root, tmp_path):
    base = "__import__('mmhand_dne').find_config('dne_rendered')"
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(LEAF.format(base=base, root=str(data_root)))
    tool = Path(mmpose.__file__).parent / '.mim/tools/train.py'
    done = subprocess.run(
        [sys.executable, str(tool), str(leaf), '--work-dir', str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'epoch_1.pth').is_file()
