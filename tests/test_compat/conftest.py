"""A copy of the sources, their wheel, and an interpreter without the plug-in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmengine
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = ('--no-build-isolation', '--no-deps', '--no-index', '-q')


@pytest.fixture(scope='session')
def sources(tmp_path_factory):
    """A copy of what a checkout holds of the package, links kept."""
    copy = tmp_path_factory.mktemp('sources') / 'project'
    copy.mkdir()
    for name in ('mmhand_dne', 'configs', 'tools'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    for name in ('setup.py', 'model-index.yml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope='session')
def bare_python(tmp_path_factory):
    """An interpreter that has the other packages of this one, but not the plug-in."""
    root = tmp_path_factory.mktemp('bare')
    others = root / 'others'
    others.mkdir()
    for module in (torch, mmengine, pytest):
        site = Path(module.__file__).resolve().parents[1]
        for entry in site.iterdir():
            ours = 'mmhand' in entry.name or entry.suffix == '.pth'
            if not ours and not (others / entry.name).exists():
                (others / entry.name).symlink_to(entry)
    command = [sys.executable, '-m', 'venv', '--without-pip', str(root / 'venv')]
    subprocess.run(command, check=True)
    site = next((root / 'venv' / 'lib').glob('python*')) / 'site-packages'
    (site / 'others.pth').write_text(str(others))
    return root / 'venv' / 'bin' / 'python'


def run_pip(*args):
    command = [sys.executable, '-m', 'pip', *map(str, args)]
    # Without the folders of PYTHONPATH, in which pip would see the plug-in installed.
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope='session')
def pip():
    """Run pip; its whole output where it fails."""
    return run_pip


@pytest.fixture(scope='session')
def wheel(sources, tmp_path_factory):
    """The wheel of the sources."""
    folder = tmp_path_factory.mktemp('wheels')
    run_pip('wheel', *OFFLINE, '-w', folder, sources)
    (path,) = folder.glob('*.whl')
    return path
