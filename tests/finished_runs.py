"""Runs of tools/reproduce as they are when they have ended, without a training."""

import json

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.engine.runner.run_config import read_config
from tools.reproduce.runs import METRICS, RECORD


def save_run(runs, row, metrics, change=lambda model: None):
    """The model of a row's seed 0, as it is built and then changed."""
    init_default_scope('mmpose')
    cfg = read_config(runs.config(row))
    cfg.model.mano_head.readout.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    change(model)
    folder = runs.folder(row, 0)
    folder.mkdir(parents=True)
    torch.save(dict(meta={}, state_dict=model.state_dict()), runs.checkpoint(row, 0))
    command = ' '.join(map(str, runs.command('train.py', row, 0)))
    record = dict(runs.record(row, 0), seconds=10.0, steps=5, command=command)
    (folder / RECORD).write_text(json.dumps(record))
    (folder / METRICS).write_text(json.dumps(metrics))
    return model
