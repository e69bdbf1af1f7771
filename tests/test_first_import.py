"""The package costs nothing until it, or what it plugs into, is used."""

import importlib
import subprocess
import sys

import pytest

import mmhand_dne
from mmhand_dne.first_import import FirstImport

PACKAGES = {
    'fi_foreign/__init__.py': 'import fi_inner\nVALUE = fi_inner.NAME\n',
    'fi_inner.py': "NAME = 'inner'\n",
    'fi_own/__init__.py': '',
    'fi_own/room.py': 'import fi_foreign\nfrom .other import OTHER\n',
    'fi_own/other.py': 'OTHER = 1\n',
    'fi_broken.py': 'raise RuntimeError("broken")\n',
}


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """A watch on small packages, and the log of what it ran."""
    for name, text in PACKAGES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    log = []
    watch = FirstImport(
        ('fi_foreign', 'fi_inner', 'fi_broken'),
        lambda name: name in ('fi_own.room', 'fi_own.other'),
        lambda: log.append('before'),
        lambda: log.append('after'),
    )
    watch.log = log
    watch.start()
    yield watch
    if watch in sys.meta_path:
        sys.meta_path.remove(watch)
    for name in [name for name in sys.modules if name.startswith('fi_')]:
        del sys.modules[name]


def test_nothing_runs_until_something_watched_is_imported(watch):
    import fi_own  # noqa: F401

    assert watch.log == [] and watch in sys.meta_path


def test_what_waits_runs_once_and_after_the_outermost(watch):
    watch.after = lambda: watch.log.append(sys.modules['fi_foreign'].VALUE)
    import fi_foreign

    assert watch.log == ['inner']  # the outer module was whole by then
    import fi_own.room  # noqa: F401

    assert watch.log == ['inner'] and watch not in sys.meta_path
    assert type(fi_foreign.__loader__).__name__ == 'SourceFileLoader'
    assert fi_foreign.__spec__.loader is fi_foreign.__loader__


def test_an_own_module_is_prepared_before_its_code(watch):
    watch.before = lambda: watch.log.append('fi_foreign' in sys.modules)
    from fi_own.room import OTHER

    assert OTHER == 1 and watch.log == [False, 'after']


def test_looking_for_a_module_runs_nothing(watch):
    assert importlib.util.find_spec('fi_own.room').origin.endswith('room.py')
    assert importlib.util.find_spec('fi_nowhere') is None
    assert watch.log == []


def test_a_failure_is_the_imports_and_the_next_import_tries_again(watch):
    def fail():
        raise ImportError('run this command')

    watch.after = fail
    with pytest.raises(ImportError, match='run this command'):
        import fi_inner
    watch.after = lambda: watch.log.append('after')
    import fi_inner  # noqa: F401

    assert watch.log == ['after']
    assert watch.depth == 0


def test_a_module_that_breaks_leaves_the_watch_as_it_was(watch):
    with pytest.raises(RuntimeError, match='broken'):
        import fi_broken  # noqa: F401
    assert watch.depth == 0 and watch.log == [] and watch in sys.meta_path


def test_what_is_there_already_is_not_waited_for(watch):
    import fi_inner  # noqa: F401

    log = []
    late = FirstImport(('fi_inner',), str.isdigit, log.clear, lambda: log.append(1))
    late.start()
    assert log == [1] and late not in sys.meta_path


def python(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_alone_imports_nothing_that_takes_time():
    found = python(
        'import sys, mmhand_dne, mmhand_dne.cli.arguments, mmhand_dne.errors\n'
        'print({name.partition(".")[0] for name in sys.modules})'
    )
    for name in ('torch', 'numpy', 'mmengine', 'mmcv', 'mmpose', 'cv2', 'scipy'):
        assert f"'{name}'" not in found
    assert "'mmhand_dne'" in found


IS_WHOLE = """
import sys
from mmpose.registry import HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
known = [('HandPair', MODELS), ('DNEHead', MODELS), ('MeshCrop', TRANSFORMS),
         ('HandMeshMetric', METRICS), ('CheckpointMatchHook', HOOKS)]
assert all(name in registry.module_dict for name, registry in known)
assert CheckpointLoader.load_checkpoint.weights_only  # safe loading
assert Runner.from_cfg.__wrapped__  # one hand for a run
from mmengine.config import Config
assert 'dne_rendered' in sys.modules['mmhand_dne'].find_config('dne_rendered')
import mmpose.apis
"""


@pytest.mark.parametrize(
    'first',
    [
        'import mmpose',
        'from mmengine.runner import load_checkpoint',
        'from mmhand_dne.hand_model import HandPair',
        'import mmhand_dne.compat.safe_load',
    ],
)
def test_whatever_is_imported_first_everything_is_registered(first):
    python(f'import mmhand_dne\n{first}\n{IS_WHOLE}')


def test_an_unknown_attribute_is_refused_as_pythons_own():
    with pytest.raises(AttributeError, match="'mmhand_dne' has no attribute 'nothing'"):
        mmhand_dne.nothing  # noqa: B018
    assert mmhand_dne.compat.install and mmhand_dne.find_config
