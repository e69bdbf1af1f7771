"""The config with the adversarial prior, small, through a whole run of MMEngine."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.registry import DATASETS
from torch.utils.data import Dataset

from tests.fake_samples import one_hand_samples
from tests.test_configs import read, shrink

CONFIG = 'hamer/hamer-adversarial_vit-h_1xb32-9e_interhand26m-256x256.py'
SIZE = 256  # pixels


@DATASETS.register_module()
class FourHands(Dataset):
    """Noise and the CC0 hand's meshes, always the same."""

    metainfo = dict(dataset_name='four hands')

    def __init__(self):
        self.samples = one_hand_samples(4, SIZE)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        draw = torch.Generator().manual_seed(int(index))
        image = torch.randint(256, (3, SIZE, SIZE), generator=draw, dtype=torch.uint8)
        return dict(inputs=image, data_samples=self.samples[int(index)])


def small_config(folder) -> Config:
    """Two batches an epoch, a checkpoint of each."""
    cfg = read(CONFIG)
    shrink(cfg.model)
    cfg.model.mano_head.decoder.update(
        embed_dims=64, num_heads=2, head_dims=8, ffn_dims=64
    )
    cfg.work_dir, cfg.log_level = str(folder), 'WARNING'
    cfg.experiment_name = f'{folder.parent.name}_{folder.name}'
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type='FourHands'),
        sampler=dict(type='KeyedSampler', shuffle=True),
    )
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': 1,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.iter_interval': 1,
            'default_hooks.checkpoint.max_keep_iter_ckpts': 2,
        }
    )
    return cfg


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Of a run that was finished."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('adversarial') / 'whole'
    Runner.from_cfg(small_config(folder)).train()
    return folder


def saved(path):
    return torch.load(path, map_location='cpu', weights_only=True)


def test_two_iterations_train_the_model_and_its_judge(folder):
    first, last = (saved(folder / name) for name in ('iter_1.pth', 'epoch_1.pth'))
    for part in ('backbone.', 'mano_head.fc_pose.', 'discriminator.D_conv1.'):
        names = [name for name in last['state_dict'] if name.startswith(part)]
        assert any(
            not torch.equal(first['state_dict'][name], last['state_dict'][name])
            for name in names
        ), part
    steps = {
        name: {int(state['step']) for state in wrapper['state'].values()}
        for name, wrapper in last['optimizer'].items()
    }
    assert steps == {'generator': {2}, 'discriminator': {2}}


def test_both_losses_and_rates_are_logged(folder):
    (log,) = folder.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in Path(log).read_text().splitlines()]
    assert len(rows) == 2
    for row in rows:
        assert row['loss_adversarial'] > 0 and row['discriminator'] > 0
        assert row['loss_adversarial'] < row['loss'] < float('inf')
        assert row['generator.lr'] == row['discriminator.lr'] == 1e-5


def test_a_resumed_run_ends_with_the_same_bits(folder, tmp_path):
    cfg = small_config(tmp_path)
    cfg.load_from, cfg.resume = str(folder / 'iter_1.pth'), True
    Runner.from_cfg(cfg).train()
    found, expected = (saved(path / 'epoch_1.pth') for path in (tmp_path, folder))
    for name, value in expected['state_dict'].items():
        assert torch.equal(found['state_dict'][name], value), name
