"""What sample_choice.py says of a stage's samples."""

import json

import pytest
import torch

from tests.cached_features import write_cache
from tests.finished_runs import save_run
from tools.reproduce import sample_choice
from tools.reproduce.runs import Runs


def test_a_finished_run_says_which_sample_is_the_best(tmp_path, capsys):
    cache, out = tmp_path / 'cache', tmp_path / 'out'
    for split in ('train', 'test'):
        write_cache(cache / split, 3, seed=4)
    args = ['--cache', str(cache), '--out', str(out), '--seeds', '0']
    args += ['--samples', '3', '--crops', '2']
    with pytest.raises(SystemExit):
        sample_choice.main(args)
    assert 'nothing is finished' in capsys.readouterr().err
    runs = Runs(sample_choice.parse_args(args))
    save_run(runs, 'confidence', dict(MPVPE_All=1.0), noisy)
    sample_choice.main(args)
    told = json.loads((out / 'tables/sample_choice.json').read_text())
    [found] = told['confidence'].values()
    others = [found[name] for name in sample_choice.CHOICES if name != 'oracle']
    assert found['oracle'] < min(others)
    assert found['random share'] == 0 and found['oracle share'] == 1
    text = (out / 'tables/sample_choice.md').read_text()
    assert '3 samples of the last stage for each of 2 test crops' in text
    sample_choice.main(args)  # the noise is of a seed
    assert json.loads((out / 'tables/sample_choice.json').read_text()) == told
    with pytest.raises(SystemExit):
        sample_choice.parse_args(['--samples', '1'])


def noisy(model):
    """Stages whose noise moves vertices, and a confidence that has an opinion."""
    for name, parameter in model.refine_head.named_parameters():
        if 'confidence.last' in name or parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.05)
