"""Every row of the second paper's poster trains and is scored on either of its sets."""

import math

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS
from official_sets import ROOT, small, write_sets
from torch import nn

ROWS = [
    'deterministic',
    'diagonal',
    'full',
    'full-square',
    'correlated',
    'correlated-nolinear',
]
SETS = {
    'freihand': 'freihand/xyz_al_mean3d',
    'ho3d-v2': 'ho3d/xyz_scale_trans_al_auc3d',
}
STEPS = 275_000  # of 64 images, at 1e-6: hamer_finetune.py
IMAGES = {'FreiHANDMeshDataset': 130_240, 'data/HO3D_v2/': 66_034}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp('roots'))


@pytest.fixture(autouse=True)
def plain_text(monkeypatch):
    """MMEngine formats the config that it keeps with the run, which takes seconds."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: repr(cfg)))


@pytest.mark.parametrize('data', SETS)
@pytest.mark.parametrize('row', ROWS)
def test_a_row_takes_two_steps_and_has_its_scores(row, data, roots, tmp_path):
    cfg = small(f'hamer/poster/{data}_{row}.py', roots, tmp_path)
    cfg.train_dataloader.dataset.dataset.indices = 4
    cfg.train_cfg.update(max_epochs=1, val_interval=2)
    cfg.param_scheduler = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    found = runner.val_loop.run()
    names = [SETS[data], 'MPJPE_All']
    if row != 'deterministic':
        names += ['AUSE', 'Pearson', 'released/AUSC', 'released/Pearson']
    for name in names:
        assert math.isfinite(found[name]), name


@pytest.mark.parametrize('data', SETS)
@pytest.mark.parametrize('row', ROWS)
def test_a_row_is_the_recipe_with_the_posters_coordinates(row, data):
    cfg = Config.fromfile(ROOT / f'configs/hamer/poster/{data}_{row}.py')
    part = cfg.train_dataloader.dataset.dataset
    images = IMAGES[part.type if data == 'freihand' else part.data_root]
    batches = math.ceil(images / cfg.train_dataloader.batch_size)
    assert abs(cfg.train_cfg.max_epochs * batches - STEPS) < batches
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-6, weight_decay=1e-4)
    metrics = [dict(metric) for metric in cfg.test_evaluator]
    if row == 'deterministic':
        assert 'uncertainty_head' not in cfg.model
        return
    assert cfg.model.uncertainty_head.aligned is False  # d_y = 63
    released = dict(type='SparsificationMetric', mode='released')
    if data == 'ho3d-v2':
        released['axes'] = 'opengl'
    assert released in metrics and dict(type='SparsificationMetric') in metrics


TRAINED = [
    path
    for path in sorted((ROOT / 'configs/hamer').rglob('*.py'))
    if 'vit-h' in path.name or path.parent.name == 'poster'
    if 'correlated' in path.name
    if not {'nolinear', 'released'} & set(path.stem.replace('_', '-').split('-'))
]


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_w_learns_at_the_same_rate_wherever_it_is_trained(path):
    """Its rates sum up to 5.5: covariance_toy.py --mixing-sums asks for some 4."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(path)
    head = cfg.model.uncertainty_head
    head.update(in_channels=8, decoder=None)
    model = MODELS.build(head)
    wrapped = dict(cfg.optim_wrapper)
    holder = nn.ModuleDict(dict(uncertainty_head=model))
    wrapper = build_optim_wrapper(holder, wrapped)
    mixing = model.covariance.lower_upper
    rates = [
        group['lr']
        for group in wrapper.optimizer.param_groups
        if any(value is mixing for value in group['params'])
    ]
    assert rates == pytest.approx([2e-5])
    assert STEPS * rates[0] == pytest.approx(5.5)
    assert len(TRAINED) == 6
