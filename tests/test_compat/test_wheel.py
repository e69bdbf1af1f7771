"""The wheel is whole, its command works outside a checkout, and nothing stays."""

import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import setuptools

from mmhand_dne.cli import console

ROOT = Path(__file__).resolve().parents[2]


def files_of(*patterns):
    """What a checkout has, relative to it."""
    paths = (path for pattern in patterns for path in ROOT.glob(pattern))
    return {str(path.relative_to(ROOT)) for path in paths if path.is_file()}


def test_it_holds_all_that_a_checkout_runs_on(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = files_of('configs/**/*.py', 'configs/**/*.md', 'configs/**/*.yml')
    tools = files_of('tools/**/*.py', 'tools/**/*.sh', 'tools/**/*.md')
    assert len(configs) > 60 and len(tools) > 50
    assert names >= {f'mmhand_dne/.mim/{name}' for name in configs | tools}
    package = files_of('mmhand_dne/[!.]*/**/*', 'mmhand_dne/*.*')
    package = {name for name in package if '__pycache__' not in name}
    assert any(name.endswith('.pth') for name in package)
    assert any(name.endswith('assets/page.js') for name in package)
    assert 'mmhand_dne/py.typed' in package
    assert names >= package
    assert not any(name.startswith(('tests', 'tools', 'configs')) for name in names)


def packed_files(setup_file, monkeypatch):
    """What a setup.py tells setuptools to pack beside the modules."""
    told = {}
    monkeypatch.setattr(setuptools, 'setup', told.update)
    runpy.run_path(str(setup_file))
    return told['package_data']['mmhand_dne']


def test_a_wheel_of_a_source_archive_is_as_whole(tmp_path, monkeypatch):
    """Which has no links and no configs beside setup.py: ``python -m build``."""
    (tmp_path / 'mmhand_dne').mkdir()
    for name in ('setup.py', 'mmhand_dne/version.py'):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / 'mmhand_dne/.mim', tmp_path / 'mmhand_dne/.mim')
    packed = packed_files(tmp_path / 'setup.py', monkeypatch)
    assert packed == packed_files(ROOT / 'setup.py', monkeypatch)
    assert all(
        (tmp_path / 'mmhand_dne' / name).exists() for name in packed if name[0] == '.'
    )


def test_any_setuptools_packs_what_lies_in_no_folder(monkeypatch):
    """Before 62.3, ** of package_data is one folder: train.py was not in the wheel."""
    names = packed_files(ROOT / 'setup.py', monkeypatch)
    assert not [name for name in names if '**' in name]
    assert {'.mim/configs/dne_interhand.py', '.mim/tools/train.py'} <= set(names)
    assert '.mim/configs/dne/ablations/table2_full.py' in names


@pytest.fixture(scope='module')
def installed(wheel, bare_python, pip):
    """``bin`` of an environment that has the wheel, and what it had before."""
    site = next(bare_python.parents[1].glob('lib/python*/site-packages'))
    before = {path.name for path in (*site.iterdir(), *bare_python.parent.iterdir())}
    pip('--python', bare_python, 'install', '--no-deps', '--no-index', '-q', wheel)
    yield bare_python.parent, site, before
    if (site / 'mmhand_dne').exists():
        pip('--python', bare_python, 'uninstall', '-q', '-y', 'mmhand_dne')


def command(folder, cwd, *words):
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    line = [str(folder / 'mmhand-dne'), *map(str, words)]
    return subprocess.run(
        line, cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_the_command_lists_its_commands_without_loading_anything(installed, tmp_path):
    before = os.times().children_user
    done = command(installed[0], tmp_path, '--help')
    spent = os.times().children_user - before
    assert done.returncode == 0 and spent < 1
    for name in ('demo', 'check', 'train', 'test', 'convert hamer', 'export'):
        assert f'\n  {name} ' in done.stdout
    done = command(installed[0], tmp_path, 'convert', 'nonsense')
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: there is no command 'convert nonsense'; "
        'choose one of convert hamer, convert mediapipe'
    ]


def test_every_command_has_its_tool_and_says_its_own_name(installed, tmp_path):
    tools = installed[1] / 'mmhand_dne' / '.mim' / 'tools'
    assert all((tools / script).is_file() for script, _ in console.COMMANDS.values())
    done = command(installed[0], tmp_path, 'check', '--help')
    assert done.returncode == 0 and done.stdout.startswith('usage: mmhand-dne check ')


SPAWNING = """
import multiprocessing, sys
from pathlib import Path

def double(x):
    return 2 * x

if __name__ == '__main__':
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        print(sys.argv, Path(__file__).name, pool.map(double, [1, 2]))
"""
RUN = """
import sys
from pathlib import Path
from mmhand_dne.cli.console import run_script
sys.argv = ['mmhand-dne some', '--flag']
run_script(Path('some_tool.py').resolve())
"""


def test_a_tool_runs_as_the_main_program_also_in_processes_that_it_spawns(tmp_path):
    (tmp_path / 'some_tool.py').write_text(SPAWNING)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, '-c', RUN],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['mmhand-dne some', '--flag'] some_tool.py [2, 4]\n"


@pytest.mark.large
def test_the_front_door_then_uninstall_leaves_nothing(installed, tmp_path, pip):
    folder, site, before = installed
    shutil.copy(ROOT / 'tests/data/hands/1193_4.jpg', tmp_path / 'photo.jpg')
    done = command(folder, tmp_path, 'demo', 'photo.jpg', '--vis')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '1 image: 1 hand' in done.stdout
    assert list((tmp_path / 'demo_out').rglob('*_overlay.jpg'))
    pip('--python', folder / 'python', 'uninstall', '-q', '-y', 'mmhand_dne')
    left = {path.name for path in (*site.iterdir(), *folder.iterdir())} - before
    assert left - {'__pycache__'} == set()


@pytest.mark.parametrize('has', ['mmcv', 'mmpose', None])
def test_setup_installs_what_is_absent_with_pips_flags(has, monkeypatch, capsys):
    present = {'pip', has}
    monkeypatch.setattr(
        console.importlib.util, 'find_spec', lambda name: name in present or None
    )
    calls = []
    monkeypatch.setattr(
        console.subprocess, 'call', lambda line: calls.append(line) or 0
    )
    assert console.setup(['--no-index']) == 0
    wanted = [console.MMCV, console.MMPOSE]
    wanted = [w for w, name in zip(wanted, ('mmcv', 'mmpose')) if name != has]
    assert [tuple(line[5:]) for line in calls] == wanted
    assert all(line[3:5] == ['install', '--no-index'] for line in calls)


@pytest.mark.parametrize('words', [['demo', 'photo.jpg'], ['export', 'x.onnx']])
def test_before_setup_the_command_says_so(words, monkeypatch, capsys):
    monkeypatch.setattr(console.importlib.util, 'find_spec', lambda name: None)
    monkeypatch.setattr(console.sys, 'argv', ['mmhand-dne', *words])
    with pytest.raises(SystemExit) as end:
        console.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        'error: mmcv and mmpose not installed; run: mmhand-dne setup'
    ]


def test_setup_stops_where_an_install_fails(monkeypatch, capsys):
    monkeypatch.setattr(
        console.importlib.util, 'find_spec', lambda name: name == 'pip' or None
    )
    monkeypatch.setattr(console.subprocess, 'call', lambda line: 1)
    assert console.setup([]) == 1 and 'everything' not in capsys.readouterr().out
