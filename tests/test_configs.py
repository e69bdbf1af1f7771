"""Every config builds, and every model takes a training step."""

from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from tests.fake_samples import fake_samples, one_hand_samples

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT / 'configs')
    for path in (ROOT / 'configs').rglob('*.py')
    # mix: MMPose's own models and schedules, see test_mix_configs.py
    # reproduce: reads a cache, see test_tools/test_reproduce.py
    if not {'_base_', 'mix', 'reproduce'} & set(path.parts)
)
SIZE = 64


def read(path):
    return Config.fromfile(str(ROOT / 'configs' / path))


def different_models():
    """The first config of each model: several table rows share theirs."""
    return list({str(read(path).model): path for path in reversed(CONFIGS)}.values())


def shrink(model):
    """Make a model cheap to build and to run; its image size."""
    model.backbone.init_cfg = None
    if model.backbone.type == 'HaMeRViT':
        model.backbone.update(embed_dims=32, depth=1, num_heads=2)
        model.mano_head.in_channels = 32
        parts = [model.mano_head, model.get('uncertainty_head')]
        for part in filter(None, parts):
            part.decoder.update(context_channels=32, depth=1)
        return 256
    if model.get('refine_head'):
        model.refine_head.map_size = SIZE // 4
    return SIZE


@pytest.mark.parametrize('path', different_models(), ids=str)
def test_config_builds_and_steps(path):
    init_default_scope('mmpose')
    model = read(path).model
    size = shrink(model)
    one_hand = model.hand_model.type == 'SingleHand'
    samples = (one_hand_samples if one_hand else fake_samples)(2, size)
    torch.manual_seed(0)
    model = MODELS.build(model).train()
    loss = sum(model.loss(torch.randn(2, 3, size, size), samples).values())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_schedule_ends_with_the_training(path):
    cfg = read(path)
    assert cfg.default_hooks.checkpoint.save_best == 'MPVPE_All'
    assert cfg.train_cfg.max_epochs >= max(
        s['end'] for s in cfg.param_scheduler if s.get('by_epoch', True)
    )


def test_the_paper_recipe():
    cfg = read('dne_interhand.py')
    assert 4 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size
    assert cfg.train_cfg.max_epochs == 30
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=1e-3, fused=True)
    crop = cfg.train_dataloader.dataset.pipeline[2]
    assert (crop.shift, crop.rotation, crop.scale) == (10, 90, (0.9, 1.1))
    assert cfg.model.refine_head.num_stages == 3
    assert cfg.model.data_preprocessor.batch_augments[0].std == 0.3


def rates(cfg):
    """Learning rate of each epoch, by MMEngine's own scheduler."""
    from mmengine.optim import StepLR

    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    options = dict(cfg.param_scheduler[0])
    assert options.pop('type') == 'StepLR'
    schedule, found = StepLR(optimiser, **options), []
    for _ in range(cfg.train_cfg.max_epochs):
        found.append(optimiser.param_groups[0]['lr'])
        schedule.step()
    return found


def test_learning_rate_halves_ten_times_then_stays():
    expected = [1e-3 * 0.5 ** min(epoch, 10) for epoch in range(30)]
    assert rates(read('dne_interhand.py')) == pytest.approx(expected)


def test_the_model_index_names_configs_that_there_are():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    for name in index['Import']:
        entry = yaml.safe_load((ROOT / name).read_text())
        known = {collection['Name'] for collection in entry['Collections']}
        for model in entry['Models']:
            assert (ROOT / model['Config']).is_file(), model['Name']
            assert model['In Collection'] in known, model['Name']
