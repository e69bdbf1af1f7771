"""The paper's config, as it stands, on the real InterHand2.6M sample."""

import json
import subprocess
import sys
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'configs/dne_interhand.py'


def options(folder):
    """Only paths, initial weights, batch size, workers and epochs."""
    paths = {
        'data_root': f'{folder}/',
        'data_prefix.img': '.',
        'ann_file': 'test_interhand2.6m_data.json',
        'camera_file': 'test_interhand2.6m_camera.json',
        'joint_file': 'test_interhand2.6m_joint_3d.json',
        'mano_file': 'None',
    }
    split = [
        f'{loader}_dataloader.{key}'
        for loader in ('train', 'val', 'test')
        for key in ('batch_size=2', 'num_workers=0', 'persistent_workers=False')
    ]
    split += [
        f'{loader}_dataloader.dataset.{key}={value}'
        for loader in ('train', 'val', 'test')
        for key, value in paths.items()
    ]
    return [*split, 'model.backbone.init_cfg=None', 'train_cfg.max_epochs=1']


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_train_evaluate_and_draw(real_data, tmp_path):
    flags = options(real_data / 'interhand2.6m')
    run(
        'tools/train.py',
        CONFIG,
        '--work-dir',
        str(tmp_path),
        '--no-validate',
        '--cfg-options',
        *flags,
    )
    checkpoint = tmp_path / 'epoch_1.pth'
    assert checkpoint.is_file()
    run(
        'tools/test.py',
        CONFIG,
        str(checkpoint),
        '--work-dir',
        str(tmp_path),
        '--out',
        str(tmp_path / 'metrics.json'),
        '--show-dir',
        str(tmp_path / 'shown'),
        '--cfg-options',
        *flags,
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    # Joints only: two interacting images, one right and one left hand.
    assert 0 < metrics['MPJPE_SH'] < 500 and 0 < metrics['MPJPE_IH'] < 500
    assert 'MPVPE_SH' not in metrics
    pictures = list((tmp_path / 'shown').rglob('*.[jp][pn]g'))
    assert len(pictures) == 4
    assert all(cv2.imread(str(path)).std() > 10 for path in pictures)
