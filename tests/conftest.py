"""What every test shares: one thread, no window, and the real images if any."""

import os

# Before torch and matplotlib are imported.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Folder of the real images, from the environment variable MMHAND_REAL_DATA."""
    folder = os.environ.get('MMHAND_REAL_DATA')
    if not folder:
        pytest.skip('MMHAND_REAL_DATA is not set: no real images on this machine')
    return Path(folder)


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Names resolve in MMPose's registries, whatever an earlier test left behind."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmpose')
