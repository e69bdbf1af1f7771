"""The benchmark of a card in its shortened form, on a CPU."""

import sys
from pathlib import Path

import pytest
import torch

from mmhand_dne.models.heads import aux_map_head
from mmhand_dne.structures.hand_targets import HandTargets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch):
    """The tool; what it sets or wraps for the whole process is put back."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    monkeypatch.setattr(aux_map_head, 'map_targets', aux_map_head.map_targets)
    monkeypatch.setattr(HandTargets, 'from_samples', HandTargets.from_samples)
    switches = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [switch.allow_tf32 for switch in switches]
    yield __import__('gpu')
    sys.modules.pop('gpu', None)
    for switch, value in zip(switches, before):
        switch.allow_tf32 = value
    torch.backends.cudnn.benchmark = False


SHORT = [
    *('--config', str(ROOT / 'configs/dne_rendered.py'), '--device', 'cpu'),
    *('--batch-sizes', '1', '--precisions', 'bf16', '--steps', '1', '--no-compile'),
]


def test_the_short_form_prints_every_table(tool, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no data set there
    tool.main(SHORT)
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith('| bf16 | 1 '))
    assert float(row.split('|')[4]) > 0 and 'no data set here' in row
    parts = {
        line.split('|')[1].strip(): [float(cell) for cell in line.split('|')[2:4]]
        for line in printed.split('MB an image')[1].splitlines()[2:]
        if line.startswith('| ')
    }
    wanted = {
        'backbone',
        'neck',
        'aux head',
        'mano head',
        'stage 1',
        'regressed points',
    }
    assert wanted <= parts.keys()
    assert all(time > 0 and moved > 0 for time, moved in map(parts.get, wanted))


def test_rows_that_would_take_too_long_say_so(tool, capsys):
    tool.print_speeds(tool.parse_args([*SHORT, '--seconds', '0']), begin=-1.0)
    assert '| bf16 | 1 | False | left out: no time | |' in capsys.readouterr().out


def test_bytes_are_those_of_what_is_read_and_written(tool):
    one, other = torch.zeros(10), torch.zeros(1).expand(10)
    with tool.Bytes() as moved:
        _ = one + other
        _ = one.view(2, 5)
    assert moved.total == 4 * (10 + 1 + 10)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a card')
def test_without_a_card_it_says_what_to_do(tool):
    with pytest.raises(SystemExit, match='--device cpu'):
        tool.main([])
