"""A data set and a model small enough to train hundreds of steps in a test."""

import hashlib
import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from mmpose.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

from mmhand_dne.models.losses.masked_loss import masked_mean


@DATASETS.register_module()
class ToyLines(Dataset):
    """Samples of y = w x; every draw depends on (epoch, index) alone."""

    metainfo = dict(dataset_name='toy')

    def __init__(self, length=12, bad_index=-1, bad_epoch=-1):
        self.length, self.bad = length, (bad_index, bad_epoch)

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        epoch = getattr(key, 'epoch', 0)
        draw = np.random.default_rng([7, epoch, int(key)])
        inputs = torch.from_numpy(draw.normal(size=4).astype(np.float32))
        target = inputs[:2] * 3 + 1
        if (int(key), epoch) == self.bad:
            target = target + float('nan')
        sample = BaseDataElement(
            metainfo=dict(img_path=f'image{int(key):03d}.png', sample_idx=int(key))
        )
        sample.target = target
        sample.valid = torch.tensor(float(int(key) % 3 > 0))  # uneven over processes
        return dict(inputs=inputs, data_samples=sample)


@MODELS.register_module()
class ToyRegressor(BaseModel):
    """Two layers; with dropout and batch norm where a test wants them."""

    def __init__(self, width=8, dropout=0.0, norm=False):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, 2)
        self.register_buffer('constant', torch.arange(3), persistent=False)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = torch.stack(list(inputs))
        device = self.out.weight.device
        hidden = self.norm(self.hidden(inputs.to(device)))
        out = self.out(self.dropout(hidden)).float()
        if mode == 'predict':
            return [
                dict(error=float((o - s.target).abs().mean()))
                for o, s in zip(out, data_samples)
            ]
        target = torch.stack([s.target for s in data_samples]).to(device)
        valid = torch.stack([s.valid for s in data_samples]).to(device)
        return dict(
            loss_line=masked_mean((out - target).abs(), valid),
            loss_size=1e-3 * out.square().mean(),
        )


@METRICS.register_module()
class ToyError(BaseMetric):
    """Mean error, named like the metric that the real configs follow."""

    def process(self, data_batch, data_samples):
        self.results.extend(sample['error'] for sample in data_samples)

    def compute_metrics(self, results):
        return dict(MPVPE_All=float(np.mean(results)))


@HOOKS.register_module()
class KillHook(Hook):
    """SIGKILL to its own process after so many iterations, as a power cut would."""

    priority = 'LOWEST'

    def __init__(self, after, in_validation=False):
        self.after, self.in_validation = after, in_validation

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.after and not self.in_validation:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.after and self.in_validation:
            os.kill(os.getpid(), signal.SIGKILL)


CONFIG = Path(__file__).with_name('toy_config.py')


def toy_config(work_dir, **options) -> Config:
    """The toy config with keys such as ``model__norm=True`` overridden."""
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(work_dir)
    cfg.merge_from_dict({key.replace('__', '.'): v for key, v in options.items()})
    cfg.experiment_name = f'{Path(work_dir).name}_{os.urandom(4).hex()}'
    return cfg


def train_toy(work_dir, **options) -> Runner:
    """Train in this process."""
    runner = Runner.from_cfg(toy_config(work_dir, **options))
    runner.train()
    return runner


@contextmanager
def plain_torch():
    """torch as a program without this package has it: with no permissions of ours."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.add_safe_globals(allowed)


def digest(path) -> str:
    """Fingerprint of weights, optimiser and generators in a checkpoint."""
    saved = torch.load(path, map_location='cpu', weights_only=True)
    other = ('meta', 'message_hub', 'plain_types')
    parts = {key: saved[key] for key in saved if key not in other}
    return hashlib.sha256(repr(_plain(parts)).encode()).hexdigest()


def _plain(value):
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return [(str(key), _plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def logged_losses(work_dir, name='loss') -> list[float]:
    """One logged value an iteration, of the newest run in a work folder."""
    newest = max(Path(work_dir).glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in newest.read_text().splitlines()]
    return [row[name] for row in rows if name in row]
