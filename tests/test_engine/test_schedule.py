from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

SCHEDULES = Path(__file__).parents[2] / 'configs/_base_/schedules'


def test_the_rate_is_halved_ten_times_and_then_stays():
    cfg = Config.fromfile(SCHEDULES / 'dne_30e.py')
    optimizer = build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper).optimizer
    (scheduler,) = (
        PARAM_SCHEDULERS.build(item, default_args=dict(optimizer=optimizer))
        for item in cfg.param_scheduler
    )
    rates = []
    for _ in range(cfg.train_cfg.max_epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([1e-3 * 0.5 ** min(epoch, 10) for epoch in range(30)])
