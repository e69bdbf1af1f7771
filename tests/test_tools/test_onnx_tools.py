"""The export tool and its check as a user meets them, and the benchmark beside it."""

import json
import sys

import pytest
import torch

if not hasattr(torch.library, 'custom_op'):
    pytest.skip('the ONNX export needs torch >= 2.5', allow_module_level=True)

# isort: split
from mmpose.registry import MODELS

from mmhand_dne.deployment import Mismatch, check_onnx
from mmhand_dne.deployment.onnx_check import (
    NEAR,
    border_distance,
    example_crops,
    steady_crops,
)
from tests.onnx_models import ONE_HAND, SIZE
from tools.deployment import export_onnx as tool

pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
pytest.importorskip('onnxruntime', reason='the check needs the extra "onnx"')


@pytest.fixture
def type_command(monkeypatch):
    """Set the command line that a tool reads."""

    def set_arguments(*arguments):
        monkeypatch.setattr(sys, 'argv', ['', *map(str, arguments)])

    return set_arguments


def test_a_file_that_computes_something_else_gets_no_name(
    export, tmp_path, monkeypatch, type_command, capsys
):
    made = export('one_hand')
    folder = made.path.parent
    model = MODELS.build(ONE_HAND)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'other.pth')
    files = (folder / 'config.py', tmp_path / 'other.pth', tmp_path / 'm.onnx')
    type_command(*files, '--batch', 2)
    # The exporter "forgets" the weights: the file is that of another checkpoint.
    monkeypatch.setattr(
        tool,
        'export_onnx',
        lambda network, path, *_: path.write_bytes(made.path.read_bytes()),
    )
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if 'differs by' in line] == lines[-1:]
    assert [path.name for path in tmp_path.iterdir()] == ['other.pth']


def test_crops_near_a_border_are_told(export):
    network = export('pair').network
    distance = border_distance(network, example_crops(20, SIZE))
    assert distance.min() < 1e-4 and distance.max() > NEAR
    crops = steady_crops(network, 3, SIZE, seed=5)
    assert len(crops) == 3 and (border_distance(network, crops) > NEAR).all()
    assert border_distance(export('one_hand').network, crops).isinf().all()


def test_the_check_sees_a_tenth_of_a_millimetre(export):
    made = export('one_hand')
    network = made.network
    assert check_onnx(network, made.path, 2, SIZE)['vertices'].error < 1e-5
    template = made.model.hand_model.right.layer.v_template
    with torch.no_grad():
        template[100, 0] += 3e-4
        try:
            with pytest.raises(Mismatch, match='vertices differs'):
                check_onnx(network, made.path, 2, SIZE)
        finally:
            template[100, 0] -= 3e-4


@pytest.mark.parametrize(
    'out, sentence', [('m.bin', 'end in .onnx'), ('nowhere/m.onnx', 'no folder')]
)
def test_the_tool_refuses_in_one_sentence(
    export, tmp_path, type_command, capsys, out, sentence
):
    folder = export('one_hand').path.parent
    type_command(folder / 'config.py', folder / 'weights.pth', tmp_path / out)
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_benchmark_runs_both_side_by_side(export, type_command, tmp_path, capsys):
    from tools.benchmarks import onnx_speed

    folder = export('pair').path.parent
    files = (folder / name for name in ('config.py', 'weights.pth', 'm.onnx'))
    out = tmp_path / 'o.json'
    type_command(*files, '--batch', 1, 2, '--repeats', 2, '--out', out)
    onnx_speed.main()
    report = json.loads(out.read_text())
    assert 0 < report['largest'] < 0.01 and report['crops'] == 8
    assert all(row['ratio'] > 0 for row in report['speed'].values())
    assert '| 2 | ' in capsys.readouterr().out


@pytest.mark.large
@pytest.mark.parametrize(
    'config, options',
    [
        ('dne_rendered', ['model.test_cfg.flip_test=True']),
        ('dne_rendered', []),
        ('hamer-full_small_rendered-128x128', []),
        ('hamer-diagonal_small_rendered-128x128', []),
        ('hamer-deterministic_small_rendered-128x128', []),
    ],
)
def test_our_own_configs_can_be_exported(tmp_path, type_command, config, options):
    from mmhand_dne.apis.config_names import config_of

    model = MODELS.build(config_of(config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'w.pth')
    flags = ['--cfg-options', *options] if options else []
    type_command(config, tmp_path / 'w.pth', tmp_path / 'm.onnx', *flags)
    tool.main()
    assert (tmp_path / 'm.onnx').stat().st_size > 1e6
