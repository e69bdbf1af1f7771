"""MMEngine finds packages where setuptools has no ``pkg_resources``."""

import subprocess
import sys
from pathlib import Path

import mmengine
import mmengine.hub.hub
import mmpose
import pytest
from mmengine.utils import package_utils

from mmhand_dne.compat.package_lookup import (
    get_installed_path,
    is_installed,
    package2module,
)
from mmhand_dne.errors import UserError

WITHOUT = """
import sys
sys.modules['pkg_resources'] = None  # as in setuptools 82: importing it fails
import mmhand_dne
from mmengine.config import Config
from mmengine.utils import is_installed, get_installed_path
print(Config.fromfile(sys.argv[1]).default_scope)
print(is_installed('mmpose'), is_installed('no-such-package'))
print(get_installed_path('mmpose'))
"""


def test_a_base_of_mmpose_resolves_without_pkg_resources(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = 'mmpose::_base_/default_runtime.py'\n")
    command = [sys.executable, '-c', WITHOUT, str(leaf)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scope, installed, path = done.stdout.splitlines()[-3:]
    assert (scope, installed) == ('mmpose', 'True False')
    assert Path(path) == Path(mmpose.__file__).parent


def test_nothing_of_mmengine_keeps_the_old_functions():
    for module in (mmengine.utils, mmengine.hub.hub, mmengine.config.config):
        function = module.get_installed_path
        function = getattr(function, '__wrapped__', function)
        assert 'pkg_resources' not in function.__code__.co_names
    assert 'pkg_resources' not in package_utils.is_installed.__code__.co_names


def fake(folder, distribution, module, top_level):
    (folder / module).mkdir()
    (folder / module / '__init__.py').touch()
    info = folder / f'{distribution.replace("-", "_")}-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(f'Name: {distribution}\nVersion: 1.0\n')
    if top_level:
        (info / 'top_level.txt').write_text(f'{module}\n')


def test_a_distribution_and_its_module_may_differ(tmp_path, monkeypatch):
    fake(tmp_path, 'odd-name-lite', 'oddname', top_level=True)
    fake(tmp_path, 'same-name', 'same_name', top_level=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert package2module('odd-name-lite') == 'oddname'
    assert get_installed_path('odd-name-lite') == str(tmp_path / 'oddname')
    assert get_installed_path('oddname') == str(tmp_path / 'oddname')
    assert get_installed_path('same-name') == str(tmp_path / 'same_name')
    assert is_installed('odd-name-lite') and is_installed('oddname')


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    (tmp_path / 'only_a_namespace').mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('no-such-package', 'only_a_namespace'):
        assert not is_installed(name)
        with pytest.raises(UserError, match=f'{name} is not installed.*pip install'):
            get_installed_path(name)
