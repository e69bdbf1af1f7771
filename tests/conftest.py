"""What every test shares: one thread, no window, and the real images if any."""

import os
import signal

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


@pytest.fixture(scope='session')
def mediapipe_source() -> Path:
    """Wheel of mediapipe 0.10.21, or a folder with its files: MMHAND_MEDIAPIPE."""
    source = os.environ.get('MMHAND_MEDIAPIPE')
    if not source:
        pytest.skip('MMHAND_MEDIAPIPE is not set: no MediaPipe networks here')
    return Path(source)


@pytest.fixture(scope='session')
def mediapipe_networks(mediapipe_source) -> dict:
    """What the converter makes of it."""
    from tools.model_converters.convert_mediapipe import convert

    return convert(mediapipe_source)


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Names resolve in MMPose's registries, whatever an earlier test left behind."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')


@pytest.fixture(autouse=True)
def no_visualizer_left():
    """A runner makes its own: MMEngine keeps them by name, with an old run's folder."""
    yield
    from mmengine.visualization import Visualizer

    kinds = [Visualizer]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C interrupts, also where the shell started the tests with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
