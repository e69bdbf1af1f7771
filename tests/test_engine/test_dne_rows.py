"""Every row of the first paper's Tables 1 to 4 and Figure 5 trains and is scored."""

import math

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from official_sets import ROOT, small

from tests.interhand_fixture import write_interhand

MLP = 'dne-mlp_res50_4xb30-30e_interhand26m-256x256'
GRAPH = 'dne-graph_res50_4xb30-30e_interhand26m-256x256'
BASELINE = ([], '')  # (noise_2d, noise_3d) of its stages, and their camera
FULL = ([(True, True)] * 3, 'ridge')
# What each row's stages are; rows that repeat another one's training are run once.
RUN = {
    f'dne/{MLP}': FULL,  # Table 1, Ours-MLP
    f'dne/{GRAPH}': FULL,  # Table 1, Ours-GraphAttn
    'dne/ablations/table2_baseline': BASELINE,
    'dne/ablations/table2_eps3d': ([(False, True)] * 3, 'keep'),
    'dne/ablations/table2_full': FULL,
    'dne/ablations/table3_eps2d': ([(True, False)] * 3, 'ridge'),
    'dne/ablations/table4_m1': ([(True, True)], 'ridge'),
    'dne/ablations/fig5_no_camera_correction': ([(True, True)] * 3, 'keep'),
}
SAME = {
    'dne_interhand': f'dne/{MLP}',
    'dne/ablations/table3_baseline': 'dne/ablations/table2_baseline',
    'dne/ablations/table3_eps3d': 'dne/ablations/table2_eps3d',
    'dne/ablations/table3_full': 'dne/ablations/table2_full',
    'dne/ablations/table4_m0': 'dne/ablations/table2_baseline',
    'dne/ablations/table4_m3': 'dne/ablations/table2_full',
}
PRINTED = [f'{kind}_{share}' for kind in ('MPJPE', 'MPVPE') for share in ('SH', 'IH')]
PRINTED += ['MPJPE_All', 'MPVPE_All', 'MPVPE2D_All']
PARTS = ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader')


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp('interhand')
    for seed, (split, frames) in enumerate(dict(train=12, val=3, test=3).items()):
        write_interhand(folder, frames, seed, split)
    return dict(InterHandMeshDataset=folder)


@pytest.fixture(autouse=True)
def plain_text(monkeypatch):
    """MMEngine formats the config that it keeps with the run, which takes seconds."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda cfg: repr(cfg)))


@pytest.mark.parametrize(
    'row',
    # test_configs.py lets the graph's take a step, too, which takes long.
    [pytest.param(row, marks=pytest.mark.large if GRAPH in row else ()) for row in RUN],
)
def test_a_row_takes_two_steps_and_has_its_columns(row, roots, tmp_path):
    cfg = small(f'{row}.py', roots, tmp_path, stages={})
    share = 10 if 'ablations' in row else 1
    assert cfg.train_dataloader.dataset.get('subset_step', 1) == share
    cfg.train_dataloader.update(batch_size=1)
    if share == 1:
        cfg.train_dataloader.dataset.indices = 2
    cfg.train_cfg.update(max_epochs=1, val_interval=2)
    cfg.param_scheduler = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    stages = getattr(runner.model.refine_head, 'stages', [])
    modes = [(stage.noise_2d, stage.noise_3d) for stage in stages]
    camera = stages[0].camera if len(stages) else ''
    assert (modes, camera) == RUN[row]
    runner.train()
    assert runner.iter == 2
    found = runner.test()
    for name in PRINTED:
        assert math.isfinite(found[name]), name


@pytest.mark.parametrize('row', SAME)
def test_rows_of_two_tables_are_one_training(row):
    one, other = (
        Config.fromfile(ROOT / f'configs/{path}.py') for path in (row, SAME[row])
    )
    for part in (*PARTS, 'test_dataloader', 'test_evaluator'):
        assert one[part] == other[part], part


def test_every_row_that_there_is_has_a_test():
    leaves = {path.stem for path in (ROOT / 'configs/dne/ablations').glob('[tf]*.py')}
    assert leaves == {row.split('/')[-1] for row in (*RUN, *SAME) if 'ablations' in row}
