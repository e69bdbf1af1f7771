"""Tables of finished runs, and what is published of them."""

import json

import pytest
import yaml

from mmhand_dne.errors import UserError
from tests.cached_features import write_cache
from tests.finished_runs import arguments, finished, save_files, words_of, write_curve
from tools.reproduce import publish, report
from tools.reproduce.rows import TABLES
from tools.reproduce.run_records import log_of
from tools.reproduce.runs import Runs


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp('cache')
    for split in ('train', 'test'):
        write_cache(root / split, 4, seed=4)
    return root


@pytest.fixture
def runs(cache, tmp_path):
    return Runs(arguments(cache, tmp_path))


def test_a_table_has_means_half_ranges_and_differences_of_a_seed(runs):
    base, full = {0: 10.0, 1: 20.0, 2: 30.0}, {0: 9.0, 1: 17.0, 2: 31.0}
    for seed in base:
        finished(runs, 'baseline', seed, MPVPE_All=base[seed])
        finished(runs, 'full', seed, MPVPE_All=full[seed])
    report.write_tables(runs, ['table2'], [0, 1, 2])
    text = (runs.out / 'tables/table2.md').read_text()
    assert '| baseline | - | - | 20.00 ± 10.00 | 3 |' in text
    assert '| full DNE (M = 3) | - | - | 19.00 ± 11.00 | 3 |' in text
    # -1, -3, +1: by the seeds' own differences, far less than the ranges above.
    assert '| full DNE (M = 3) | -1.00 ± 2.00, -5.0 % (2/3) |' in text
    told = json.loads((runs.out / 'tables/table2.json').read_text())
    assert told['values']['full']['1'] == {'MPVPE_All': 17.0}
    assert (
        told['runs']['full']['1']['settings']['config'] == 'configs/reproduce/full.py'
    )
    assert set(told['runs']['full']['1']) >= {'commit', 'hardware', 'seconds'}


@pytest.mark.parametrize('last, verdict', [(20.1, 'it is flat'), (19.7, 'not flat')])
def test_a_baseline_is_flat_below_one_percent_over_its_last_quarter(
    runs, last, verdict
):
    save_files(runs, 'baseline', 0, {}, dict(MPVPE_All=last))
    folder = runs.folder('baseline', 0)
    in_the_picture = {1: 10.0, 2: 10.0, 3: 10.0, 4: 9.0}
    write_curve(folder / 'a', {1: 40, 2: 30}, in_the_picture)
    path = write_curve(folder / 'b', {2: 30, 3: 20, 4: last}, in_the_picture)
    change = report.last_quarter(runs, 'baseline', 0)
    assert change['MPVPE_All'] == pytest.approx(last / 20 - 1)
    assert change['MPVPE2D_All'] == pytest.approx(-0.1)
    sentences = report.flatness('baseline', {0: change}).split('. ')
    assert verdict in sentences[0] and 'not flat' in sentences[1]
    path.write_text('')  # the part with the last validation
    with pytest.raises(UserError, match='after epochs 3 and 4'):
        report.last_quarter(runs, 'baseline', 0)


def test_differences_are_from_the_rows_that_a_table_names(runs):
    scores = dict(deterministic=None, diagonal=0.6, full_covariance=0.5, correlated=0.7)
    for row, score in scores.items():
        known = {} if score is None else dict(Spearman=score)
        finished(runs, row, 0, MPJPE_All=20.0 + 1e-7 * len(row), **known)
    text = report.write_tables(runs, ['covariances'], [0])['covariances']
    values, diagonal, full = text.split('Against ')
    assert diagonal.startswith('"diagonal"') and full.startswith('"full"')
    # Rounding has a sign, and is no difference.
    assert '| correlated (ours) | -0.000, -0.0 % (0/1) | 0.100 (1/1) |' in (
        diagonal.replace('| 0.000, +0.0 %', '| -0.000, -0.0 %')
    )
    assert '| correlated (ours) |' in full and '| 0.200 (1/1) |' in full
    assert 'deterministic' in diagonal and 'NLL' not in diagonal


def test_a_log_keeps_ten_losses_and_all_validations(tmp_path):
    for part, steps in (('a', range(50, 1000, 50)), ('b', range(950, 1301, 50))):
        path = tmp_path / part / 'vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        lines = [dict(loss=1 / step, step=step) for step in steps]
        lines.append(dict(MPVPE_All=2.0, MPVPE2D_All=3.0, NLL=4.0, step=len(part)))
        path.write_text('\n'.join(map(json.dumps, lines)))
    log = log_of(tmp_path)
    assert len(log['loss']) <= 10 and max(log['loss']) == 1300
    assert log['loss'][1300] == pytest.approx(1 / 1300, rel=1e-4)
    assert log['validations'] == {1: dict(MPVPE_All=2.0, MPVPE2D_All=3.0)}
    assert log_of(tmp_path / 'nothing') == dict(loss={}, validations={})


def test_what_is_published_names_no_folder_of_the_machine(runs, tmp_path):
    errors = dict(baseline=10.0, full=9.0, diagonal=8.5, correlated=8.0)
    for row, error in errors.items():
        error = error + 1e-9  # digits that nobody needs
        finished(runs, row, 0, MPVPE_All=error, MPJPE_All=error, NLL=-2.0)
    (runs.out / 'tables').mkdir()
    to = tmp_path / 'published'
    cost = dict(parameters=20, relative=1.5, milliseconds=2.25)
    costs = dict(rows=dict(correlated=cost))
    (runs.out / 'tables' / report.COST_FILE).write_text(json.dumps(costs))
    publish.main([*words_of(runs), '--seeds', '0', '--to', str(to)])
    for path in to.iterdir():
        text = path.read_text()
        assert str(tmp_path) not in text and str(runs.cache) not in text, path.name
    page = (to / 'results.md').read_text()
    commands = page[page.index('```bash') : page.rindex('```')].splitlines()
    assert max(map(len, commands)) <= 96
    page = page.replace(' \\\n    ', ' ')  # as a shell joins lines
    assert '| - | - | 20 | 1.50 | 2.25 | 1 |' in page
    assert '| full DNE (M = 3) | - | - | 9.00 | 1 |' in page
    assert 'Trained on 4 crops, tested on 4.' in page
    missing = page[page.index('Not run yet') :].splitlines()[0]
    # The others have one row or none that is finished.
    compared = ('table2', 'table3', 'table4', 'control', 'budget', 'joint')
    for name, told in TABLES.items():
        shown = name in (*compared, 'covariances')
        assert (f'## {told.title}\n' in page, told.title in missing) == (
            shown,
            not shown,
        )
    assert '--work-dir work_dirs/reproduce/runs/full/seed0' in page
    assert 'load_from=work_dirs/reproduce/runs/baseline/seed0/epoch_4.pth' in page
    kept = json.loads((to / 'results.json').read_text())
    assert set(kept['runs']) == set(errors) and kept['crops'] == dict(train=4, test=4)
    assert kept['runs']['correlated']['0']['metrics']['MPVPE_All'] == 8.0
    models = yaml.safe_load((to / 'metafile.yml').read_text())['Models']
    found = {model['Name']: model for model in models}
    metrics = found['reproduce/correlated']['Results'][0]['Metrics']
    assert metrics['NLL [nats/coord.]'] == '-2.000'
    assert set(found['reproduce/full']['Metadata']) >= {'Seeds', 'Hardware', 'Commit'}


def test_nothing_is_published_where_nothing_is_finished(runs, tmp_path, capsys):
    with pytest.raises(SystemExit):
        publish.main([*words_of(runs), '--to', str(tmp_path / 'to')])
    assert 'holds no finished run' in capsys.readouterr().err
    assert not (tmp_path / 'to').exists()
