"""Runs of tools/reproduce as they are when they have ended, without a training."""

import json

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.engine.runner.run_config import read_config
from tools.reproduce import table
from tools.reproduce.runs import METRICS, RECORD

FEW = ['--baseline-epochs', '4', '--stage-epochs', '1', '--bars-epochs', '1']


def save_files(runs, row, seed, state, metrics):
    """What a run leaves: its record, its metrics and its last checkpoint."""
    folder = runs.folder(row, seed)
    folder.mkdir(parents=True)
    command = ' '.join(map(str, runs.command('train.py', row, seed)))
    command = f'{command} --work-dir {folder}'
    record = dict(runs.record(row, seed), seconds=10.0, steps=5, command=command)
    (folder / RECORD).write_text(json.dumps(record))
    (folder / METRICS).write_text(json.dumps(metrics))
    torch.save(dict(meta={}, state_dict=state), runs.checkpoint(row, seed))


def save_run(runs, row, metrics, change=lambda model: None):
    """The model of a row's seed 0, as it is built and then changed."""
    init_default_scope('mmpose')
    cfg = read_config(runs.config(row))
    cfg.model.mano_head.readout.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    change(model)
    save_files(runs, row, 0, model.state_dict(), metrics)
    return model


def arguments(cache, out, *flags):
    where = ['--cache', str(cache), '--out', str(out)]
    return table.parse_args(['all', *where, *FEW, *flags])


def words_of(runs):
    """Flags of the other tools about the same runs."""
    return ['--cache', str(runs.cache), '--out', str(runs.out), *FEW]


def finished(runs, row, seed, **metrics):
    """A run as it is when it has ended, with these metrics."""
    save_files(runs, row, seed, {}, metrics)
    if row == 'baseline':
        epochs = runs.length(row)
        curve = dict.fromkeys((epochs * 3 // 4, epochs), 10.0)
        write_curve(runs.folder(row, seed) / 'log', curve, curve)


def write_curve(folder, in_space, in_the_picture):
    """A part of a run's log, with errors by epoch; its path."""
    path = folder / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    lines = [dict(loss=1.0, step=7)]
    for epoch, error in in_space.items():
        errors = dict(MPVPE_All=error, MPVPE2D_All=in_the_picture[epoch])
        lines.append(dict(errors, step=epoch))
    path.write_text('\n'.join(map(json.dumps, lines)))
    return path
