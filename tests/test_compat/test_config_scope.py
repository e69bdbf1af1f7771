"""``mmhand_dne::`` resolves from a checkout, an editable install and a wheel.

Each runs in a process of its own, with the other packages of this environment.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmengine
import pytest
import torch
from mmengine.config import Config

import mmhand_dne  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
BASE = 'mmhand_dne::_base_/default_runtime.py'
SCRIPT = """
import sys
import mmhand_dne
from mmengine.config import Config
assert Config.fromfile(sys.argv[1]).default_scope == 'mmpose'
print('FOUND', mmhand_dne.__file__)
"""


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """A copy of what a checkout holds of the package, links kept."""
    copy = tmp_path_factory.mktemp('sources') / 'project'
    copy.mkdir()
    for name in ('mmhand_dne', 'configs', 'tools'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    for name in ('setup.py', 'model-index.yml'):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture
def leaf(tmp_path):
    path = tmp_path / 'leaf.py'
    path.write_text(f"_base_ = '{BASE}'\n")
    return path


@pytest.fixture(scope='module')
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


def pip(*args):
    command = [sys.executable, '-m', 'pip', *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def package_found(python, leaf, path=None):
    """Resolve the leaf's base in a new process; the folder of the package used."""
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    if path is not None:
        environment['PYTHONPATH'] = str(path)
    command = [str(python), '-c', SCRIPT, str(leaf)]
    done = subprocess.run(
        command, env=environment, cwd=leaf.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split('FOUND ')[1].strip()).parent


def test_resolves_here(leaf):
    assert Config.fromfile(leaf).default_scope == 'mmpose'


def test_other_packages_still_resolve(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = 'mmpose::_base_/default_runtime.py'\n")
    assert Config.fromfile(leaf).default_scope == 'mmpose'


def test_an_unknown_name_is_refused_with_its_path(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = 'mmhand_dne::dne/no_such_config.py'\n")
    with pytest.raises(FileNotFoundError, match='no_such_config'):
        Config.fromfile(leaf)


def test_resolves_from_a_bare_checkout(bare_python, sources, leaf):
    assert package_found(bare_python, leaf, sources) == sources / 'mmhand_dne'


def test_resolves_from_a_wheel(bare_python, sources, leaf, tmp_path):
    wheels, target = tmp_path / 'wheels', tmp_path / 'target'
    options = ('--no-build-isolation', '--no-deps', '--no-index', '-q')
    pip('wheel', *options, '-w', wheels, sources)
    (wheel,) = wheels.glob('*.whl')
    pip('install', '--no-deps', '--no-index', '-q', '--target', target, wheel)
    assert package_found(bare_python, leaf, target) == target / 'mmhand_dne'
    assert (target / 'mmhand_dne' / 'hand_model' / 'cc0_hand.npz').is_file()
    files = (target / 'mmhand_dne' / '.mim').rglob('*')
    installed = {str(f.relative_to(target / 'mmhand_dne/.mim')) for f in files}
    configs = sources.glob('configs/**/*.py')
    assert installed >= {str(path.relative_to(sources)) for path in configs}
    scripts = {'tools/train.py', 'tools/dist_train.sh'}
    scripts |= {'tools/launch.sh', 'tools/launch.py'}
    assert scripts | {'model-index.yml'} <= installed
    assert not any((target / 'mmhand_dne/.mim' / f).is_symlink() for f in installed)


def test_resolves_from_an_editable_install(bare_python, sources, leaf):
    options = ('--no-build-isolation', '--no-deps', '--no-index', '-q')
    pip('--python', bare_python, 'install', *options, '-e', sources)
    assert package_found(bare_python, leaf) == sources / 'mmhand_dne'
