"""The configs of the mixed and of the right-hand data sets train and score."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from official_sets import small, write_sets


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """A tiny download of each data set by its class."""
    return write_sets(tmp_path_factory.mktemp('roots'))


@pytest.fixture(autouse=True)
def plain_text(monkeypatch):
    """MMEngine formats the config that it keeps with the run, which takes seconds."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: repr(cfg)))


@pytest.mark.parametrize(
    'path',
    [
        'dne/dne-mlp_res50_4xb30-30e_mixed-256x256.py',
        'hamer/hamer-correlated_vit-h_1xb64-9e_mixed-256x256.py',
    ],
)
def test_a_mixture_takes_two_steps(path, roots, tmp_path):
    cfg = small(path, roots, tmp_path)
    mixture = cfg.train_dataloader.dataset
    mixture.update(shares=[2, 1, 1], epoch_length=4)  # two steps
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(cfg)
    seen, losses = [], []
    run_iter = type(runner.train_loop).run_iter

    def watch(loop, index, batch):
        seen.extend(sample.img_path for sample in batch['data_samples'])
        run_iter(loop, index, batch)
        losses.append(loop.runner.message_hub.get_scalar('train/loss').current())

    runner.train_loop.run_iter = watch.__get__(runner.train_loop)
    runner.train()
    counts = [sum(str(root) in path for path in seen) for root in roots.values()]
    assert counts == [2, 1, 1]
    assert len(losses) == 2 and np.isfinite(losses).all()


@pytest.mark.parametrize(
    'path, scores',
    [
        (
            'dne/dne-mlp_res50_4xb30-30e_freihand-256x256.py',
            ['freihand/xyz_al_mean3d', 'freihand/f_al_score_5', 'MPVPE_All'],
        ),
        (
            'hamer/hamer-correlated_vit-h_1xb64-135e_freihand-256x256.py',
            ['freihand/mesh_al_auc3d', 'MPJPE_All'],
        ),
        (
            'hamer/hamer-deterministic_vit-h_1xb64-211e_ho3d-256x256.py',
            ['ho3d/xyz_scale_trans_al_mean3d', 'ho3d/mesh_al_mean3d', 'MPVPE_All'],
        ),
    ],
)
def test_an_evaluation_has_the_official_scores(path, scores, roots, tmp_path):
    cfg = small(path, roots, tmp_path)
    cfg.train_cfg = cfg.train_dataloader = cfg.optim_wrapper = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.param_scheduler = None
    found = Runner.from_cfg(cfg).test()
    for name in scores:
        assert np.isfinite(found[name]) and found[name] >= 0, name
