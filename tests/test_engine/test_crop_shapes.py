"""The quick start's model on crops that are not square, from training to pictures."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from official_sets import ROOT

from tests.interhand_fixture import dataset_config, write_interhand

SIZE = (48, 64)


@pytest.fixture(autouse=True)
def plain_text(monkeypatch):
    """MMEngine formats the config that it keeps with the run, which takes seconds."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: repr(cfg)))


def shaped_config(root, work_dir):
    cfg = Config.fromfile(ROOT / 'configs/dne_rendered.py')
    for phase in ('train', 'val', 'test'):
        loader = cfg[f'{phase}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(dataset_config(root))
        for step in loader.dataset.pipeline:
            if step.type == 'MeshCrop':
                step.input_size = SIZE
    cfg.train_dataloader.dataset.indices = 4
    cfg.model.refine_head.map_size = (SIZE[1] // 4, SIZE[0] // 4)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.custom_hooks, cfg.param_scheduler = [], None
    cfg.default_hooks.visualization.update(
        enable=True, interval=1, out_dir=str(work_dir / 'pictures')
    )
    cfg.default_hooks.pop('checkpoint')
    cfg.update(work_dir=str(work_dir), log_level='ERROR', experiment_name='shaped')
    return cfg


def test_it_trains_two_steps_is_scored_and_drawn(tmp_path):
    cfg = shaped_config(write_interhand(tmp_path / 'data', 6), tmp_path)
    runner = Runner.from_cfg(cfg)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    assert runner.iter == 2
    after = runner.model.state_dict()
    moved = {
        name.split('.')[0] for name in after if not after[name].equal(before[name])
    }
    assert moved >= {'backbone', 'neck', 'aux_head', 'mano_head', 'refine_head'}
    found = runner.test()
    # Hands that are 60 pixels long are not hundreds of pixels off.
    assert 0 < found['MPVPE2D_All'] < 60 and np.isfinite(found['MPJPE_All'])
    pictures = sorted((tmp_path / 'pictures').rglob('*.*g'))
    assert pictures
    height, width = cv2.imread(str(pictures[0])).shape[:2]
    assert min(height, width) > 100
