import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'tools' / 'check_env.py'


def check_env(*flags, python_flags=(), path=None, arguments=()):
    environment = dict(os.environ)
    if path is not None:
        environment['PYTHONPATH'] = str(path)
    command = [sys.executable, *python_flags, str(SCRIPT), *flags, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def lines_after(output, start):
    """The line that starts so, and the one below it."""
    lines = output.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(start))
    return lines[at : at + 2]


def test_a_complete_environment_passes_and_broken_mano_is_named(tmp_path):
    (tmp_path / 'MANO_RIGHT.pkl').write_bytes(b'no hand')
    status, output = check_env('--mano', str(tmp_path))
    assert 'ok      mmhand_dne' in output, output
    assert status == 1 and 'MANO_RIGHT.pkl' in output and 'MANO_LEFT.pkl' in output
    assert all(line in output for line in ('ok      torch', 'ok      mmpose'))
    problems = [x for x in output.splitlines() if x.startswith(('missing', 'broken'))]
    assert all('MANO' in line for line in problems), output


def test_with_nothing_installed_every_repair_is_a_command():
    # -I -S: no site-packages and nothing from the environment.
    status, output = check_env(python_flags=('-I', '-S'))
    assert status == 1 and output.rstrip().endswith('The plug-in cannot run.')
    for name, command in (
        ('torch', 'pip install torch==2.13.0'),
        ('numpy', 'pip install "numpy>=1.22,<3"'),
        ('pycocotools', 'pip install pycocotools'),
        ('mmpose', 'pip install --no-deps mmpose==1.3.2'),
        ('mmcv', 'pip install mmcv-lite==2.1.0'),
        ('roma', 'pip install roma'),
    ):
        _, repair = lines_after(output, f'missing {name:16}')
        assert repair.strip() == f'repair: {command}'
    assert 'Traceback' not in output
    absent, _ = lines_after(output, 'note    smplx')
    assert 'non-commercial research' in absent


@pytest.mark.skipif(
    importlib.util.find_spec('smplx') is None, reason='smplx is not installed here'
)
def test_the_licence_of_smplx_is_said_where_it_is_installed():
    _, output = check_env()
    assert 'licence: non-commercial research' in lines_after(output, 'ok      smplx')[0]


@pytest.mark.parametrize(
    ('module', 'error', 'repair'),
    [
        (
            'torchvision',
            "RuntimeError('operator torchvision::nms does not exist')",
            'pip uninstall -y torchvision',
        ),
        ('cv2', "ImportError('libGL.so.1: cannot open')", 'opencv-python-headless'),
    ],
)
def test_what_is_installed_but_does_not_load_is_broken(tmp_path, module, error, repair):
    (tmp_path / f'{module}.py').write_text(f'raise {error}\n')
    status, output = check_env(path=tmp_path)
    name = 'opencv-python' if module == 'cv2' else module
    found, below = lines_after(output, f'broken  {name}')
    assert error.split("'")[1] in found and repair in below
    assert status == 1
    assert lines_after(output, 'broken  mmhand_dne')


def test_broken_extras_are_named_in_the_last_line(tmp_path):
    names = ('tensorboard', 'onnx', 'plotly')
    for name in names:
        (tmp_path / f'{name}.py').write_text(f"raise TypeError('no {name}')\n")
    status, output = check_env(path=tmp_path)
    for name in names:
        found, below = lines_after(output, f'broken  {name}')
        assert f'no {name}' in found
        assert below.strip() == f'repair: pip install --force-reinstall {name}'
    last = output.rstrip().splitlines()[-1]
    assert status == 0
    assert last.startswith('The plug-in can run, but without tensorboard, onnx, ')
    assert last.endswith('plotly: see above.')


def test_a_protobuf_that_a_package_cannot_use_is_named(tmp_path):
    """As where mediapipe's old release has pulled protobuf down to 4."""
    for package, version, requirement in (
        ('protobuf', '4.25.9', ''),
        ('mediapipe', '0.10.21', 'Requires-Dist: protobuf<5,>=4.25.3'),
        ('onnx', '1.23.2', 'Requires-Dist: protobuf>=6.31.1'),
        ('other', '1.0', "Requires-Dist: protobuf>=9; extra == 'never'"),
    ):
        folder = tmp_path / f'{package}-{version}.dist-info'
        folder.mkdir()
        fields = ('Metadata-Version: 2.1', f'Name: {package}', f'Version: {version}')
        (folder / 'METADATA').write_text('\n'.join([*fields, requirement, '']))
    status, output = check_env(path=tmp_path)
    found, below = lines_after(output, 'broken  protobuf')
    assert '4.25.9 is installed' in found
    assert 'mediapipe wants <5,>=4.25.3' in found and 'onnx wants >=6.31.1' in found
    assert 'other' not in found
    assert 'pip uninstall -y mediapipe; pip install --upgrade protobuf' in below
    assert 'onnx' in below.split('#')[0]
    assert 'without' in output.rstrip().splitlines()[-1]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('check_env_tool', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_gpu_that_this_torch_cannot_use_is_named(tool):
    row = tool.cuda_row('', '2.13.0+cpu', None, True)
    assert row.state == 'broken' and not row.stops
    assert 'torch 2.13.0+cpu is built for the CPU alone' in row.text
    assert 'pytorch.org' in row.repair
    row = tool.cuda_row('', '2.13.0', '12.8', True)
    assert row.state == 'broken' and 'CUDA 12.8 and sees none' in row.text
    assert tool.cuda_row('', '2.13.0', '12.8', False).state == 'note'
    assert tool.cuda_row('H200', '2.13.0', '12.8', True).state == 'ok'
