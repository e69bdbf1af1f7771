"""Runs of tools/reproduce as they are when they have ended, without a training."""

import json

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.engine.runner.run_config import read_config
from tools.reproduce.runs import METRICS, RECORD


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
