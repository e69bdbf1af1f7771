"""Numbers and curves out of a training's log."""

import json

import cv2


def write(folder, rows):
    folder.mkdir(parents=True)
    lines = '\n'.join(map(json.dumps, rows))
    (folder / 'scalars.json').write_text(lines + '\n')


def test_a_log_gives_values_speed_and_curves(tool, tmp_path):
    rows = [
        dict(lr=0.1, loss=3.0, time=0.5, step=1),
        dict(lr=0.1, loss=1.0, time=0.7, step=2),
        dict(MPVPE_All=20.5, time=9.0, step=2),
        dict(lr=0.1, loss=2.0, time=0.6, step=3),
    ]
    write(tmp_path / 'run/2026/vis_data', rows)
    picture = tmp_path / 'curves.png'
    keys = ('--keys', 'loss', 'MPVPE_All', '--out', picture)
    status, out, error = tool('analysis_tools/analyze_logs.py', tmp_path / 'run', *keys)
    assert status == 0, error
    lines = out.strip().splitlines()[-3:]
    assert lines[0].endswith('run: last 2 at step 3, lowest 1 at step 2')
    assert lines[1].endswith('run: last 20.5 at step 2, lowest 20.5 at step 2')
    assert lines[2].endswith('run: 0.6000')  # of training iterations only
    assert cv2.imread(str(picture)).std() > 1


def test_what_was_not_logged_is_named(tool, tmp_path):
    write(tmp_path / 'run', [dict(loss=1.0, step=1)])
    call = ('analysis_tools/analyze_logs.py', tmp_path / 'run')
    status, _, error = tool(*call, '--keys', 'los')
    assert status == 2
    assert error.endswith("has not logged 'los'; choose from ['loss', 'step']")
    status, _, error = tool(call[0], tmp_path / 'nowhere')
    assert status == 2 and 'cannot be read as a log' in error
