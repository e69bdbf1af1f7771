"""What only a training or a drawing needs does not hold up the first result."""

import importlib
import subprocess
import sys

import pytest

from mmhand_dne.late_imports import LATE_MODULES, LateName, late_imports

PACKAGES = {
    'li_heavy/__init__.py': '',
    'li_heavy/part.py': (
        'import li_log\n'
        'li_log.SAID.append("heavy")\n'
        'CONSTANT = 7\n'
        'def double(x): return 2 * x\n'
        'class Base:\n'
        '    kind = "base"\n'
    ),
    'li_heavy/pack/__init__.py': 'VALUE = 1\n',
    'li_heavy/pack/inner.py': 'INNER = 2\n',
    'li_log.py': 'SAID = []\n',
    'li_user.py': (
        'from li_heavy.part import Base, double\nimport li_heavy.part as whole\n'
    ),
}
LATE = {'li_heavy.part': ('Base', 'double'), 'li_heavy.pack': ('VALUE',)}


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Small packages, and what the heavy one says when its code runs."""
    for name, text in PACKAGES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    import li_log

    yield li_log.SAID
    for name in [name for name in sys.modules if name.startswith('li_')]:
        del sys.modules[name]


@pytest.fixture
def user(said):
    """A module that was imported while the heavy one was late."""
    with late_imports(LATE):
        import li_user
    assert said == []
    return li_user


def test_a_late_name_is_the_real_one_when_it_is_used(user, said):
    assert user.double(4) == 8 and said == ['heavy']
    assert user.Base.kind == 'base' and type(user.Base()).__name__ == 'Base'
    assert said == ['heavy']  # its code ran once


def test_a_late_class_can_be_a_base_and_be_asked_for_instances(user):
    class Child(user.Base):
        pass

    from li_heavy.part import Base

    assert Child.__mro__[1] is Base
    assert isinstance(Child(), user.Base) and not isinstance(1, user.Base)
    assert issubclass(Child, user.Base) and not issubclass(int, user.Base)
    assert user.Base | None == Base | None and int | user.Base == int | Base


def test_a_late_module_gives_every_attribute_of_the_real_one(user, said):
    assert user.whole.CONSTANT == 7 and said == ['heavy']
    with pytest.raises(AttributeError, match='nothing'):
        user.whole.nothing  # noqa: B018


def test_later_imports_find_the_real_module(user):
    import li_heavy
    import li_heavy.part

    assert li_heavy.part is sys.modules['li_heavy.part'] is not user.whole
    assert not isinstance(li_heavy.part.Base, LateName)


def test_an_attribute_that_is_not_listed_loads_the_module_at_once(said):
    with late_imports(LATE):
        from li_heavy.part import CONSTANT, Base
    assert CONSTANT == 7 and said == ['heavy'] and Base.kind == 'base'


def test_modules_inside_a_late_package_are_found(said):
    with late_imports(LATE):
        from li_heavy.pack.inner import INNER
    from li_heavy.pack import VALUE

    assert (INNER, VALUE) == (2, 1)


def test_what_is_there_already_or_nowhere_is_left_alone(said):
    import li_heavy.part

    with late_imports({**LATE, 'li_nowhere': ('x',)}):
        from li_heavy.part import Base

        with pytest.raises(ModuleNotFoundError, match='li_nowhere'):
            import li_nowhere  # noqa: F401
    assert Base is li_heavy.part.Base and said == ['heavy']


def test_a_failure_inside_leaves_nothing_late_behind(said):
    finders = list(sys.meta_path)
    with pytest.raises(RuntimeError), late_imports(LATE):
        import li_heavy.part  # noqa: F401

        raise RuntimeError
    assert sys.meta_path == finders and 'li_heavy.part' not in sys.modules


def run(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


HEAVY = ('sympy', 'scipy.stats', 'scipy.optimize', 'torch.distributed.fsdp', 'yapf')
HEAVY += ('matplotlib.pyplot', 'matplotlib.figure', 'torch.distributed.optim')


def test_a_tool_that_infers_imports_none_of_it_and_has_it_when_it_asks():
    """Also a config's own code, which may inherit from what was late."""
    said = run(f"""
import sys
from mmhand_dne.late_imports import LateName, late_imports
with late_imports():
    import mmhand_dne.apis
print([name for name in {HEAVY} if name in sys.modules and name != 'yapf'])
from mmengine.model import MMFullyShardedDataParallel
from mmpose.datasets.transforms import common_transforms
class Own(MMFullyShardedDataParallel):
    pass
from torch.distributed.fsdp import FullyShardedDataParallel
print(issubclass(Own, FullyShardedDataParallel))
from mmengine.registry import MODEL_WRAPPERS
print('MMFullyShardedDataParallel' in MODEL_WRAPPERS)
import scipy.stats
print(common_transforms.truncnorm.mean(-1, 1), scipy.stats.truncnorm.mean(-1, 1))
from mmengine.config import Config
print(Config(dict(a=1)).pretty_text)
""")
    assert said[:3] == ['[]', 'True', 'True']
    assert len(set(said[3].split())) == 1 and said[4] == 'a = 1'


@pytest.mark.large  # imports the whole stack once more
def test_in_a_program_that_imports_the_package_nothing_is_late():
    modules = list(LATE_MODULES)
    said = run(f"""
import sys
import mmhand_dne.apis
from mmhand_dne.late_imports import LateModule, LateName
late = [m for m in sys.modules.values()
        if isinstance(m, LateModule)
        or any(type(value) is LateName for value in vars(m).values())]
print(late, all(name in sys.modules for name in {modules}))
""")
    assert said == ['[] True']
