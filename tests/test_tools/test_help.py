"""Every tool answers --help before it imports what takes seconds."""

import gc
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARD = "if __name__ == '__main__'"
# Of the whole stack; NumPy and ONNX Runtime, which take a tenth of a second, may come.
SLOW = {'torch', 'mmengine', 'mmcv', 'mmpose', 'cv2', 'matplotlib', 'scipy', 'smplx'}
TOOLS = sorted(
    path for path in (ROOT / 'tools').rglob('*.py') if GUARD in path.read_text()
)
WATCHED = """
import atexit, json, runpy, sys
path, *sys.argv[1:] = sys.argv[1:]
sys.argv[0], sys.path[0] = path, path.rpartition('/')[0]
roots = lambda: sorted({name.partition('.')[0] for name in sys.modules})
atexit.register(lambda: print(json.dumps(roots()), file=sys.stderr))
runpy.run_path(path, run_name='__main__')
"""


def run(path, *flags):
    """Exit status, what it printed, what it complained of, the packages imported."""
    command = [sys.executable, '-c', WATCHED, str(path), *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    *errors, imported = done.stderr.splitlines()
    return done.returncode, done.stdout, '\n'.join(errors), set(json.loads(imported))


@pytest.mark.parametrize('path', TOOLS, ids=[path.name for path in TOOLS])
def test_help_is_there_before_the_slow_imports(path):
    status, printed, errors, imported = run(path, '--help')
    assert status == 0, errors
    assert printed.startswith('usage: ') and '--help' in printed
    assert not imported & SLOW


@pytest.mark.parametrize('name', ['demo.py', 'train.py', 'test.py'])
def test_a_wrong_flag_is_refused_as_early(name):
    status, _, errors, imported = run(ROOT / 'tools' / name, 'a', 'b', '--no-such-flag')
    assert status == 2 and 'unrecognized arguments: ' in errors
    assert not imported & SLOW


def test_the_watched_packages_are_seen_where_they_are_imported():
    """A tool that does its work imports them: the tests above can fail."""
    _, _, errors, imported = run(ROOT / 'tools/misc/print_config.py', 'no_such_config')
    assert 'no_such_config' in errors
    assert imported >= {'torch', 'mmengine', 'mmpose'}


def test_the_modes_of_real_hands_are_those_that_the_code_knows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'analysis_tools'))
    import real_hand_predictors as code
    import real_hands as tool

    assert tool.MODES == (code.GIVEN, code.UPRIGHT, code.FOUND)
    assert tool.parse_args(['--data', 'd']).modes == [code.GIVEN, code.FOUND]


def test_the_launcher_leaves_a_tool_s_help_to_the_tool():
    from tools import launch

    assert launch.parse_args(['--nnodes=1', 'train.py', '--help']) is None
    with pytest.raises(SystemExit):
        launch.parse_args(['--help', 'train.py'])


def test_the_formats_and_splits_of_the_flags_are_those_that_the_code_knows():
    from mmhand_dne.apis.result_writers import FORMATS
    from mmhand_dne.datasets.preparation import (
        freihand_checks,
        ho3d_checks,
        interhand_checks,
    )
    from tools import demo
    from tools.dataset_converters import (
        prepare_freihand,
        prepare_ho3d,
        prepare_interhand,
    )

    assert demo.FORMATS == tuple(FORMATS)
    assert prepare_freihand.SPLITS == tuple(freihand_checks.ROWS)
    assert prepare_ho3d.SPLITS == tuple(ho3d_checks.COUNTS)
    assert prepare_interhand.SPLITS == tuple(interhand_checks.COUNTS)


def test_the_benchmark_times_what_runs_and_names_what_fails(monkeypatch, capsys):
    from tools.benchmarks import start_times as tool

    rows = tool.commands('photo.jpg', 'folder')
    assert set(rows) >= {'import mmpose', 'import mmhand_dne', 'demo.py PHOTO'}
    names = {Path(row[0]).name for name, row in rows.items() if name.endswith('--help')}
    assert names == {path.name for path in TOOLS}
    busy = 'import time\nwhile time.process_time() < 0.2: pass'
    some = {
        tool.YARDSTICK: ['-c', busy],
        'busy': ['-c', busy],
        'idle': ['-c', 'import time; time.sleep(0.3)'],
    }
    monkeypatch.setattr(tool, 'commands', lambda *_: some)
    tool.main(['--runs', '1'])
    times = {
        row.split()[0]: row.split()[1:]
        for row in capsys.readouterr().out.splitlines()[1:]
    }
    assert float(times['busy'][1]) >= 0.2 and float(times['idle'][0]) >= 0.3
    assert float(times['idle'][1]) < 0.2 and float(times['idle'][2]) < 1
    with pytest.raises(RuntimeError, match='no such thing'):
        tool.seconds_of(['-c', 'raise SystemExit("no such thing")'])


def test_the_demo_collects_garbage_again_once_all_is_imported(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['demo.py', 'no_such_photo.jpg'])
    try:
        with pytest.raises(SystemExit):
            runpy.run_path(str(ROOT / 'tools/demo.py'), run_name='__main__')
        assert 'no_such_photo.jpg' in capsys.readouterr().err
        assert gc.isenabled() and gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
