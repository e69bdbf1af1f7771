"""What line_of_sight.py says of errors: against definitions, and from finished runs."""

import json

import numpy as np
import pytest

from tests.cached_features import write_cache
from tests.finished_runs import save_run
from tools.reproduce import line_of_sight
from tools.reproduce.runs import Runs


def test_an_error_has_a_part_across_and_one_along():
    gap = np.zeros((2, 3, 3))
    gap[0] = [3.0, 4.0, 12.0]  # 5 across, 12 along, 13 in all
    found = line_of_sight.describe(gap)
    assert found == pytest.approx(
        dict(all=13 / 2, across=5 / 2, along=12 / 2, share=144 / 169)
    )


def test_finished_runs_are_told_against_the_baseline(tmp_path, capsys):
    cache, out = tmp_path / 'cache', tmp_path / 'out'
    for split in ('train', 'test'):
        write_cache(cache / split, 3, seed=4)
    args = ['--cache', str(cache), '--out', str(out), '--seeds', '0']
    for wrong, message in ((['--rows', 'fulll'], 'unknown'), ([], 'nothing is')):
        with pytest.raises(SystemExit):
            line_of_sight.main([*args, *wrong])
        assert message in capsys.readouterr().err
    runs = Runs(line_of_sight.parse_args(args))
    models = dict(m1=save_run(runs, 'm1', dict(MPVPE_All=1.0)))
    with pytest.raises(SystemExit):
        line_of_sight.main(args)
    assert "'baseline' is not finished" in capsys.readouterr().err
    models['baseline'] = save_run(runs, 'baseline', dict(MPVPE_All=1.0))
    line_of_sight.main(args)
    told = json.loads((out / 'tables/line_of_sight.json').read_text())
    assert told['baseline']['0'].keys() == line_of_sight.METRICS.keys()
    text = (out / 'tables/line_of_sight.md').read_text()
    assert '| full DNE, M = 1 |' in text and 'full DNE (M = 3)' not in text
    # From the model itself, by the words of the docstring.
    found = line_of_sight.Predictions(runs, 'baseline', 0)
    crops = [found.crops[row] for row in range(3)]
    model = models['baseline'].eval()
    batch = {key: [one[key] for one in crops] for key in crops[0]}
    batch = model.data_preprocessor(batch)
    errors = []
    for sample in model.predict(batch['inputs'], batch['data_samples']):
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        slot = 0 if gt.hand_joints_valid[0, 0].any() else 1
        wrist = pred.hand_joints[0, slot, 0]
        gap = np.asarray(pred.hand_vertices[0, slot] - wrist)
        errors.append(np.linalg.norm(gap - gt.hand_vertices[0, slot].numpy(), axis=-1))
    assert told['baseline']['0']['all'] == pytest.approx(
        1000 * np.mean(errors), rel=1e-4
    )
