"""The smoothing benchmark and the latency tool, end to end on untrained models."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tiny_inferencers import DNE, HAMER, noise_image, write_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'


def load(path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(path.parent), *sys.path])  # its neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    return {
        name: str(write_checkpoint(name, folder / f'{name}.pth'))
        for name in (DNE, HAMER)
    }


@pytest.mark.parametrize(('config', 'rows'), [(DNE, 4), (HAMER, 7)])
def test_smoothing_is_measured_in_one_table(
    weights, monkeypatch, tmp_path, capsys, config, rows
):
    tool = load(TOOLS / 'analysis_tools/smooth_benchmark.py', monkeypatch)
    out = tmp_path / 'scores.json'
    tool.main(
        [
            config,
            weights[config],
            '--clips',
            '1',
            '--frames',
            '9',
            '--device',
            'cpu',
            '--image-size',
            '96',
            '72',
            '--out',
            str(out),
        ]
    )
    saved, said = json.loads(out.read_text()), capsys.readouterr().out
    assert len(saved['clips']) == rows
    for name, [values] in saved['clips'].items():
        assert f'| {name} | {values[0]:.2f} | {values[1]:.2f}' in said
    # Every way to smooth is smoother than none.
    jitter = {name: values[3] for name, [values] in saved['clips'].items()}
    model = jitter.pop('the model')
    assert all(value < model for value in jitter.values())


def test_jitter_is_the_error_of_the_acceleration(monkeypatch):
    tool = load(TOOLS / 'analysis_tools/smooth_benchmark.py', monkeypatch)
    gt = np.random.default_rng(0).normal(size=(6, 2, 3))
    steady = gt + np.arange(6)[:, None, None] * 0.1 + 0.3
    assert tool.jitter(steady, gt) == pytest.approx(0, abs=1e-9)
    moved = gt.copy()
    moved[:, :, 0] += 0.001 * np.arange(6)[:, None] ** 2
    assert tool.jitter(moved, gt) == pytest.approx(2.0)  # mm a frame^2


def test_latency_of_every_stage_is_told(weights, monkeypatch, tmp_path, capsys):
    tool = load(TOOLS / 'benchmarks/latency.py', monkeypatch)
    image, out = tmp_path / 'a.png', tmp_path / 'latency.json'
    cv2.imwrite(str(image), noise_image(96, 72))
    tool.main(
        [
            str(image),
            HAMER,
            weights[HAMER],
            '--side',
            'both',
            '--det-model',
            'whole_image',
            '--device',
            'cpu',
            '--repeats',
            '2',
            '--warm-up',
            '1',
            '--frames',
            '2',
            '--out',
            str(out),
        ]
    )
    report, said = json.loads(out.read_text()), capsys.readouterr().out
    stages = report['stages']
    assert list(stages) == [
        'decode',
        'crop',
        'network',
        'mesh',
        'file to mesh',
        'draw',
        'total',
    ]
    assert report['hands'] == 2 and report['size'] == [96, 72]
    for name, stage in stages.items():
        assert len(stage['milliseconds']) == 2
        assert 0 < stage['p50'] <= stage['p95'] <= max(stage['milliseconds'])
        assert f'| {name} | {stage["p50"]:.2f} | {stage["p95"]:.2f} |' in said
    # No second is counted twice, and next to none is missed.
    parts = sum(
        sum(stage['milliseconds'])
        for name, stage in stages.items()
        if name not in ('file to mesh', 'total')
    )
    total = sum(stages['total']['milliseconds'])
    assert 0.8 * total < parts < total
    assert len(report['video']['PyTorch']['milliseconds']) == 2
    assert 'frames/s: PyTorch ' in said


def test_detection_is_a_stage_where_there_is_a_detector(weights, monkeypatch, tmp_path):
    tool = load(TOOLS / 'benchmarks/latency.py', monkeypatch)
    from mmhand_dne.apis import hand_mesh_inferencer
    from mmhand_dne.apis.inputs.given_boxes import HandBox

    box = HandBox(np.array([10.0, 10, 60, 60]), 'right', 0.0, 'tight')
    monkeypatch.setattr(
        hand_mesh_inferencer, 'build_detector', lambda *_: lambda *_: [box]
    )
    image = tmp_path / 'a.png'
    cv2.imwrite(str(image), noise_image(96, 72))
    report = tool.measure(
        tool.parse_args(
            [
                str(image),
                HAMER,
                weights[HAMER],
                '--det-model',
                'any',
                '--device',
                'cpu',
                '--repeats',
                '1',
                '--warm-up',
                '0',
                '--frames',
                '0',
            ]
        )
    )
    assert 'detect' in report['stages'] and report['hands'] == 1


def test_a_box_outside_the_image_is_one_sentence(
    weights, monkeypatch, tmp_path, capsys
):
    tool = load(TOOLS / 'benchmarks/latency.py', monkeypatch)
    image, boxes = tmp_path / 'a.png', tmp_path / 'boxes.json'
    cv2.imwrite(str(image), noise_image(96, 72))
    boxes.write_text('[[[500, 500, 600, 600]]]')
    with pytest.raises(SystemExit):
        tool.main(
            [
                str(image),
                DNE,
                weights[DNE],
                '--device',
                'cpu',
                '--bboxes',
                str(boxes),
                '--repeats',
                '1',
            ]
        )
    assert 'is outside the image of 96x72 pixels' in capsys.readouterr().err
