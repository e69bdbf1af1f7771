"""A variable that a config file has copied cannot be changed later in silence."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)
INTERHAND, RENDERED = (
    str(ROOT / 'configs' / name) for name in ('dne_interhand.py', 'dne_rendered.py')
)


@pytest.mark.parametrize('path', CONFIGS)
def test_no_config_of_ours_has_a_dead_line(path):
    assert read_config(str(ROOT / 'configs' / path))


@pytest.mark.parametrize(
    ('option', 'remedy'),
    [
        ({'dne.M': 1}, 'set model.refine_head.num_stages instead'),
        ({'input_size': 128}, 'set train_dataloader.dataset.pipeline.2.input_size and'),
        ({'train_pipeline': []}, 'set train_dataloader.dataset.pipeline and'),
        ({'vis_backends': []}, 'set visualizer.vis_backends instead'),
    ],
)
def test_an_option_that_changes_only_the_print_is_refused(option, remedy):
    with pytest.raises(UserError, match='changes nothing') as caught:
        read_config(INTERHAND, option)
    assert remedy in str(caught.value)


def test_it_is_refused_without_our_tools_too():
    cfg = Config.fromfile(INTERHAND)
    cfg.merge_from_dict({'dne.R': 1})
    with pytest.raises(UserError, match='model.refine_head.num_samples'):
        Runner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('lines', 'remedy'),
    [
        ('dne = dict(gamma=0.5)', 'set model.refine_head.gamma instead'),
        ('input_size = 96', 'set train_dataloader.dataset.pipeline.3.input_size and'),
        ('baseline_epochs, stage_epochs = 1, 1', 'set custom_hooks.0.begin and'),
    ],
)
def test_a_child_that_changes_only_the_print_is_refused(tmp_path, lines, remedy):
    path = tmp_path / 'child.py'
    path.write_text(f'_base_ = [{RENDERED!r}]\n{lines}\n')
    with pytest.raises(UserError, match='changes nothing') as caught:
        read_config(str(path))
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    'lines',
    [
        'max_epochs = 1\ntrain_cfg = dict(max_epochs=1, val_interval=1)',
        "norm_cfg = dict(type='BN')\nmodel = dict(backbone=dict(norm_cfg=norm_cfg))",
        'dne = dict(gamma=0.5)\nmodel = dict(refine_head=dict(gamma=dne["gamma"]))',
        'mine = dict(M=1)',
        'train_cfg = dict(max_epochs=2)',
    ],
)
def test_a_child_that_says_it_where_it_is_read_is_taken(tmp_path, lines):
    path = tmp_path / 'child.py'
    path.write_text(f'_base_ = [{RENDERED!r}]\n{lines}\n')
    assert read_config(str(path), {'optim_wrapper.optimizer.lr': 1e-4})
