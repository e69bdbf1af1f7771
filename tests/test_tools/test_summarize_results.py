import importlib.util
import json
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/summarize_results.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('summarize_results', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, factor, prefixes=('',)):
    names = ('MPJPE', 'MPVPE', 'PA-MPJPE', 'PA-MPVPE', 'MPVPE2D')
    metrics = {'time': 0.1}
    for i, prefix in enumerate(prefixes):
        for k, name in enumerate(names, start=1):
            metrics[f'{prefix}{name}_All'] = factor * k / (i + 1)
            metrics[f'{prefix}{name}_SH'] = 1000 * factor * k / (i + 1)
    path.write_text(json.dumps(metrics))
    return str(path)


def test_table_has_a_row_a_stage_and_the_ratios(tool, tmp_path, capsys):
    metrics = write(tmp_path / 'm.json', 10, ('coarse/', 'stage1/', 'stage10/', ''))
    constant = write(tmp_path / 'c.json', 20)
    tool.main([metrics, '--constant', constant])
    lines = capsys.readouterr().out.splitlines()
    names = [line.split('|')[1].strip() for line in lines[2:7]]
    assert names == ['constant', 'coarse', 'stage1', 'stage10', 'refined']
    assert lines[3].split('|')[2:4] == [f' {10:10.2f} ', f' {20:10.2f} ']
    assert 'coarse / constant: MPJPE 0.500, MPVPE 0.500' in '\n'.join(lines)
    assert 'refined / coarse: MPJPE 0.250' in '\n'.join(lines)


def test_the_last_stage_is_the_refined_mesh(tool, tmp_path, capsys):
    path = write(tmp_path / 'm.json', 10, ('coarse/', 'stage1/'))
    metrics = json.loads(Path(path).read_text())
    for name, value in list(metrics.items()):
        metrics[name.removeprefix('stage1/')] = value
    Path(path).write_text(json.dumps(metrics))
    tool.main([path])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('|')[1].strip() for line in lines[2:4]] == ['coarse', 'refined']


def test_group_is_chosen(tool, tmp_path, capsys):
    tool.main([write(tmp_path / 'm.json', 1, ('coarse/', '')), '--group', 'SH'])
    assert '1000.00' in capsys.readouterr().out


@pytest.mark.parametrize('text', [None, '{"truncated": ', '[1]', '{"loss": 1.0}'])
def test_other_files_are_refused_by_name(tool, tmp_path, text):
    path = tmp_path / 'bad.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r'bad\.json: (cannot be read|holds no)'):
        tool.main([str(path)])
