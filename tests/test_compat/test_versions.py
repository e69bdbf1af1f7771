import ast
import importlib.util
import re
from pathlib import Path

import pytest

import mmhand_dne
from mmhand_dne.compat import versions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pretend(monkeypatch):
    """Pretend that a distribution has another version, or none (None)."""
    real = versions.metadata.version

    def version(changed):
        def look_up(name):
            if name not in changed:
                return real(name)
            if changed[name] is None:
                raise versions.metadata.PackageNotFoundError(name)
            return changed[name]

        monkeypatch.setattr(versions.metadata, 'version', look_up)

    return version


def test_this_stack_is_accepted():
    versions.check_versions()


def test_without_mmpose_the_message_holds_the_exact_line(pretend):
    pretend({'mmpose': None})
    with pytest.raises(ImportError) as caught:
        versions.check_versions()
    lines = str(caught.value).splitlines()
    assert 'pip install --no-deps mmpose==1.3.2' in lines


@pytest.mark.parametrize(
    ('name', 'found', 'remedy'),
    [
        ('numpy', '3.0.0', 'pip install "numpy>=1.22,<3"'),
        ('numpy', '1.21.6', 'pip install "numpy>=1.22,<3"'),
        ('torch', '2.5.1+cu118', 'pip install torch==2.13.0'),
        ('mmpose', '0.29.0', 'pip install --no-deps mmpose==1.3.2'),
    ],
)
def test_version_outside_its_window_names_what_was_found(pretend, name, found, remedy):
    pretend({name: found})
    with pytest.raises(ImportError) as caught:
        versions.check_versions()
    assert f'{name} {found} is installed, wanted' in str(caught.value)
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize('fork', ['mmcv', 'mmcv-lite', 'onedl-mmcv'])
def test_any_mmcv_will_do(pretend, fork):
    every = ('mmcv', 'mmcv-lite', 'onedl-mmcv', 'onedl-mmcv-lite')
    pretend({name: '2.1.0' if name == fork else None for name in every})
    versions.check_versions()


def test_the_maintained_fork_of_mmengine_will_do(pretend):
    pretend({'mmengine': None, 'onedl-mmengine': '0.10.12'})
    versions.check_versions()


def test_python_window():
    assert versions.python_problem((3, 10, 1)) is None
    assert versions.python_problem((3, 14, 0)) is None
    assert 'Python 3.15' in versions.python_problem((3, 15, 0))
    assert 'Python 3.9' in versions.python_problem((3, 9, 18))


def test_setup_requires_neither_mmpose_nor_mmcv_and_check_env_looks_at_the_rest():
    tree = ast.parse((ROOT / 'setup.py').read_text())
    required = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'INSTALL_REQUIRES'
    )
    names = {re.match(r'[\w-]+', item).group() for item in required}
    assert not names & {'mmpose', 'mmcv', 'mmcv-lite', 'chumpy', 'torchvision'}
    path = ROOT / 'tools' / 'check_env.py'
    spec = importlib.util.spec_from_file_location('check_env', path)
    check_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_env)
    checked = {pip_name for _, pip_name in check_env.MODULES}
    checked |= {'opencv-python', 'pycocotools'}
    checked |= {item.distributions[0] for item in versions.REQUIREMENTS}
    assert names <= checked


def test_version_is_read_from_the_source():
    text = (ROOT / 'mmhand_dne' / 'version.py').read_text()
    assert f"'{mmhand_dne.__version__}'" in text
