import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.evaluation.functional import sparsification
from mmhand_dne.evaluation.metrics.sparsification_report import (
    released_report,
    write_report,
)
from mmhand_dne.visualization.canvas.uncertainty_plots import COLORS

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/plot_sparsification.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('plot_sparsification', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(folder, seed=0):
    rng = np.random.default_rng(seed)
    error = rng.gamma(2, 0.1, (30, 21))
    variance = error**2 * rng.gamma(2 + 3 * seed, 1, error.shape)
    write_report(released_report(dict(error=error, variance=variance)), folder)
    return error, variance


def has_color(picture, color):
    wanted = [int(color[i : i + 2], 16) for i in (5, 3, 1)]  # blue, green, red
    return (np.abs(picture.astype(int) - wanted).max(-1) < 12).sum() > 100


def test_each_run_has_its_colour(tool, tmp_path, capsys):
    for seed in range(3):
        write_run(tmp_path / f'run{seed}', seed)
    out = tmp_path / 'new/all.png'
    runs = [f'model {seed}={tmp_path}/run{seed}' for seed in range(3)]
    tool.main([*runs, '--mode', 'released', '--out', str(out)])
    assert capsys.readouterr().out == f'3 runs in {out}\n'
    picture = cv2.imread(str(out))
    assert [has_color(picture, color) for color in COLORS[:5]] == [True] * 3 + [
        False
    ] * 2


def test_curves_are_those_that_were_written(tool, tmp_path):
    error, variance = write_run(tmp_path)
    wanted = sparsification.released_curves(error.ravel(), variance.ravel())
    for path in (tmp_path, tmp_path / 'released_curves.csv'):
        found, unit = tool.read_curves(path, 'released')
        assert unit == 'm x 10'
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_names_default_to_the_file(tool, tmp_path):
    write_run(tmp_path / 'diagonal')
    assert list(tool.read_runs([str(tmp_path / 'diagonal')], 'released')[0]) == [
        'diagonal'
    ]


@pytest.mark.parametrize('text', [None, '', 'a,b\n1,2\n', 'kept [%]\nx\n'])
def test_other_files_are_refused_by_name(tool, tmp_path, text):
    path = tmp_path / 'bad.csv'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r'bad\.csv: (cannot be read|holds the col)'):
        tool.read_curves(path, 'standard')


def test_same_names_and_other_units_are_refused(tool, tmp_path):
    write_run(tmp_path)
    with pytest.raises(ValueError, match="two runs are called 'a'"):
        tool.read_runs([f'a={tmp_path}', f'a={tmp_path}'], 'released')
    curves = tmp_path / 'released_curves.csv'
    other = tmp_path / 'other.csv'
    other.write_text(curves.read_text().replace('m x 10', 'mm'))
    with pytest.raises(ValueError, match='errors in different units'):
        tool.read_runs([f'a={curves}', f'b={other}'], 'released')
    with pytest.raises(ValueError, match='8 runs are given, expected at most 7'):
        tool.read_runs([f'{k}={curves}' for k in range(8)], 'released')


def test_mistakes_end_in_one_sentence(tool, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        tool.main([str(tmp_path / 'none.csv')])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path), '--out', 'picture.jpg'])
    assert 'let the name end in .png' in capsys.readouterr().err
