"""The export, its check against PyTorch, and the benchmark of both."""

import json
import sys

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.deployment import Mismatch, check_onnx
from mmhand_dne.deployment.onnx_check import (
    NEAR,
    border_distance,
    example_crops,
    open_session,
    steady_crops,
)
from tests.fake_samples import fake_samples, one_hand_samples
from tests.onnx_models import ONE_HAND, SIZE
from tools.deployment import export_onnx as tool

pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
pytest.importorskip('onnxruntime', reason='the check needs the extra "onnx"')


@pytest.mark.parametrize(
    'kind, samples, counts',
    [('pair', fake_samples, (1, 5)), ('one_hand', one_hand_samples, (2,))],
)
def test_the_file_gives_what_predict_gives(export, kind, samples, counts):
    made = export(kind)
    session = open_session(made.path)
    fields = dict(
        vertices='hand_vertices',
        joints='hand_joints',
        camera='hand_camera',
        presence='hand_presence',
        rotations='mano_rotations',
        betas='mano_betas',
        joint_covariance='hand_joint_covariance',
        joint_std='hand_joint_std',
    )
    fields.update(
        dict(root='hand_root')
        if kind == 'one_hand'
        else dict(coarse_vertices='coarse_vertices', coarse_camera='coarse_camera')
    )
    names = [output.name for output in session.get_outputs()]
    for count in counts:
        crops = steady_crops(made.network, count, SIZE, seed=count)
        found = dict(zip(names, session.run(None, {'crops': crops.numpy()})))
        bgr = [crop.permute(2, 0, 1).flip(0) for crop in crops]
        data = dict(inputs=bgr, data_samples=samples(count, SIZE))
        with torch.no_grad():
            wanted = made.model.test_step(data)
        for name, field in fields.items():
            value = np.concatenate([s.pred_instances[field] for s in wanted])
            value = value[:, : found[name].shape[1]]
            limit = 1e-4 * (1 if 'vertices' in name else np.abs(value).max())
            np.testing.assert_allclose(found[name], value, rtol=0, atol=limit)
    assert set(fields) < set(names)


def test_threads_do_not_race(export):
    made = export('pair')
    crops = example_crops(3, SIZE).numpy()
    (first,) = open_session(made.path, threads=1).run(['vertices'], {'crops': crops})
    session = open_session(made.path, threads=4)
    for _ in range(30):  # a scatter that raced differed in a third of the runs
        (found,) = session.run(['vertices'], {'crops': crops})
        np.testing.assert_allclose(found, first, rtol=0, atol=1e-6)


def test_the_file_says_what_it_holds(export):
    made = export('pair')
    session = open_session(made.path)
    stored = session.get_modelmeta().custom_metadata_map
    about = json.loads(stored['mmhand_dne'])
    assert about['slots'] == ['right', 'left'] and about['opset'] == 18
    assert about['joints'][:3] == ['wrist', 'thumb1', 'thumb2']
    assert about['crop'] == dict(type='MeshCrop', padding=1.25)
    assert 'CC0' in stored['licence'] and about['checkpoint'] == 'weights.pth'
    assert set(about['outputs']) == {x.name for x in session.get_outputs()}
    np.testing.assert_array_equal(
        about['faces']['left'], made.model.hand_model.faces[1].numpy()
    )
    import onnx

    graph = onnx.load(made.path).graph
    notes = {value.name: value.doc_string for value in graph.output}
    assert notes['joints'].startswith('(N, 2, 21, 3): ') and 'metres' in notes['joints']
    assert 'RGB' in graph.input[0].doc_string


def test_a_hand_of_mano_is_said_to_be_bound_by_its_licence(export):
    from mmhand_dne.deployment.description import hand_note

    layer = export('one_hand').model.hand_model.right
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, 'source', 'models/mano')
        assert "MANO's licence" in hand_note(export('one_hand').model)


def test_a_file_that_computes_something_else_gets_no_name(
    export, tmp_path, monkeypatch, capsys
):
    made = export('one_hand')
    folder = made.path.parent
    model = MODELS.build(ONE_HAND)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'other.pth')
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            str(folder / 'config.py'),
            str(tmp_path / 'other.pth'),
            str(tmp_path / 'm.onnx'),
            '--batch',
            '2',
        ],
    )
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


def test_crops_near_a_border_are_recognised(export):
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
    export, tmp_path, monkeypatch, capsys, out, sentence
):
    folder = export('one_hand').path.parent
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            str(folder / 'config.py'),
            str(folder / 'weights.pth'),
            str(tmp_path / out),
        ],
    )
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_benchmark_runs_both_side_by_side(export, monkeypatch, tmp_path, capsys):
    from tools.benchmarks import onnx_speed

    folder = export('pair').path.parent
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            *(str(folder / name) for name in ('config.py', 'weights.pth', 'm.onnx')),
            '--batch',
            '1',
            '2',
            '--repeats',
            '2',
            '--out',
            str(tmp_path / 'o.json'),
        ],
    )
    onnx_speed.main()
    report = json.loads((tmp_path / 'o.json').read_text())
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
def test_our_own_configs_can_be_exported(tmp_path, monkeypatch, config, options):
    from mmhand_dne.apis.config_names import config_of

    model = MODELS.build(config_of(config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'w.pth')
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            config,
            str(tmp_path / 'w.pth'),
            str(tmp_path / 'm.onnx'),
            *(['--cfg-options', *options] if options else []),
        ],
    )
    tool.main()
    assert (tmp_path / 'm.onnx').stat().st_size > 1e6
