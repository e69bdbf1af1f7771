"""``mmhand_dne::`` resolves from a checkout, an editable install and a wheel.

Each runs in a process of its own, with the other packages of this environment.
"""

import os
import subprocess
from pathlib import Path

import pytest
from mmengine.config import Config

import mmhand_dne  # noqa: F401

BASE = 'mmhand_dne::_base_/default_runtime.py'
SCRIPT = """
import sys
import mmhand_dne
from mmengine.config import Config
assert Config.fromfile(sys.argv[1]).default_scope == 'mmpose'
print('FOUND', mmhand_dne.__file__)
"""


@pytest.fixture
def leaf(tmp_path):
    path = tmp_path / 'leaf.py'
    path.write_text(f"_base_ = '{BASE}'\n")
    return path


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


def test_resolves_from_a_wheel(bare_python, wheel, leaf, tmp_path, pip):
    target = tmp_path / 'target'
    pip('install', '--no-deps', '--no-index', '-q', '--target', target, wheel)
    assert package_found(bare_python, leaf, target) == target / 'mmhand_dne'
    assert not any(path.is_symlink() for path in target.rglob('*'))


def test_resolves_from_an_editable_install(bare_python, sources, leaf, pip):
    options = ('--no-build-isolation', '--no-deps', '--no-index', '-q')
    pip('--python', bare_python, 'install', *options, '-e', sources)
    assert package_found(bare_python, leaf) == sources / 'mmhand_dne'
