"""The folder for a machine without a network, from an index made of empty wheels."""

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools' / 'misc'))
from requirements import ON_TORCH, name_of, requirements  # noqa: E402

SCRIPT = ROOT / 'tools' / 'offline_wheels.sh'
MEGABYTE = 10**6


def write_wheel(folder, name, version='9.9', needs=(), size=0, tag='py3-none-any'):
    """An empty wheel of a name and version that needs other ones."""
    stem = f'{name.replace("-", "_")}-{version}'
    lines = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}']
    lines += [f'Requires-Dist: {other}' for other in needs]
    with zipfile.ZipFile(folder / f'{stem}-{tag}.whl', 'w') as archive:
        archive.writestr(f'{stem}.dist-info/METADATA', '\n'.join(lines) + '\n')
        archive.writestr(f'{stem}.dist-info/WHEEL', 'Wheel-Version: 1.0\n')
        archive.writestr(f'{stem}.dist-info/RECORD', '')
        archive.writestr('ballast', bytes(size))


@pytest.fixture(scope='module')
def index(tmp_path_factory):
    """What setup.py asks for, and torch with a package of its own."""
    folder = tmp_path_factory.mktemp('index')
    versions = dict(mmengine='0.10.7', numpy='2.1', torch='2.13.0')
    versions['opencv-python'] = '5.0'
    for item in requirements():
        name = name_of(item)
        needs = ['torch'] if name in ON_TORCH else []
        needs = {'torch': ['nvidia-driver'], 'matplotlib': ['fonttools']}.get(
            name, needs
        )
        size = 3 * MEGABYTE if name in ('numpy', 'torch', 'rich') else 0
        write_wheel(folder, name, versions.get(name, '9.9'), needs, size)
    write_wheel(folder, 'nvidia-driver', size=3 * MEGABYTE)
    compiled = f'cp312-cp312-manylinux2014_{platform.machine()}'
    write_wheel(folder, 'fonttools', size=3 * MEGABYTE, tag=compiled)
    write_wheel(folder, 'fonttools')
    write_wheel(folder, 'mmcv-lite', '2.1.0', ['mmengine'])
    write_wheel(folder, 'mmpose', '1.3.2', ['chumpy'])  # which is nowhere
    ours = tmp_path_factory.mktemp('ours')
    write_wheel(ours, 'mmhand_dne', '0.1.0')
    return folder, next(ours.iterdir())


def fill(index, folder, *flags):
    environment = dict(
        os.environ, PYTHON=sys.executable, PIP_NO_INDEX='1', PIP_FIND_LINKS=index[0]
    )
    command = ['bash', SCRIPT, folder, '--wheel', index[1], *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done, {path.name.split('-')[0] for path in folder.glob('*.whl')}


def test_without_torch_nothing_of_torch_comes_along(index, tmp_path):
    done, found = fill(index, tmp_path, '--no-torch', '--python', '3.12')
    assert done.returncode == 0, done.stderr
    wanted = {name_of(item).replace('-', '_') for item in requirements()} - {'torch'}
    assert found == wanted | {'mmcv_lite', 'mmpose', 'mmhand_dne', 'fonttools'}
    # Its plain wheel, not the compiled one, which a Python 3.12 would choose.
    assert (tmp_path / 'fonttools-9.9-py3-none-any.whl').is_file()
    assert done.stdout.startswith('Python 3.12, ')
    total = done.stdout.splitlines()[-1]
    assert total == '    3.01 MB  without torch, NumPy, OpenCV and SciPy'


def test_with_torch_all_of_it_comes_along(index, tmp_path):
    done, found = fill(index, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {'torch', 'nvidia_driver', 'roma', 'mmhand_dne'} <= found
    assert done.stdout.splitlines()[-1].split()[0] == '3.01'


def test_a_wheel_that_does_not_exist_stops_it(index, tmp_path):
    (tmp_path / 'some').mkdir()
    some = tmp_path / 'some'
    for path in index[0].iterdir():
        if not path.name.startswith('munkres'):
            (some / path.name).symlink_to(path)
    done, _ = fill((some, index[1]), tmp_path / 'out', '--no-torch')
    assert done.returncode != 0 and 'munkres' in done.stderr
    assert 'without torch' not in done.stdout
