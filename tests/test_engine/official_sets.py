"""Configs of the official data sets, with tiny models, on files in their formats."""

from pathlib import Path

from mmengine.config import Config

from mmhand_dne.engine.runner.shared_hand import share_hand_model
from tests.interhand_fixture import write_interhand
from tests.right_hand_fixture import write_freihand, write_ho3d

ROOT = Path(__file__).parents[2]
CROP = dict(dne=64, hamer=256)  # the ViT takes no other


def write_sets(folder):
    """A tiny download of each data set, by its class."""
    write_interhand(folder / 'interhand', 6)
    write_freihand(folder / 'freihand', 2)
    write_freihand(folder / 'freihand', 3, seed=1, split='evaluation')
    write_ho3d(folder / 'ho3d', 3)
    return dict(
        InterHandMeshDataset=folder / 'interhand',
        FreiHANDMeshDataset=folder / 'freihand',
        HO3DMeshDataset=folder / 'ho3d',
    )


def place(dataset, roots, crop):
    """Set folders and the crop's size in a data set's config and those inside it."""
    if dataset.type in roots:
        dataset.data_root = str(roots[dataset.type])
        for step in dataset.pipeline:
            if 'input_size' in step:
                step.input_size = crop
    for part in (*dataset.get('datasets', ()), dataset.get('dataset')):
        if part:
            place(part, roots, crop)


def small(path, roots, work_dir, stages=dict(num_stages=1, num_samples=1)):
    """A config with a tiny model, on tiny sets, in this process.

    Args:
        stages: options of DNE's head; none keep the config's own.
    """
    cfg = Config.fromfile(ROOT / 'configs' / path)
    share_hand_model(cfg)
    crop = CROP[path.split('/')[0]]
    for phase in ('train', 'val', 'test'):
        loader = cfg[f'{phase}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        place(loader.dataset, roots, crop)
    cfg.model.backbone.init_cfg = None
    if crop == 64:
        cfg.model.backbone.depth = 18
        cfg.model.neck.in_channels = [64, 128, 256, 512]
        if cfg.model.refine_head:
            cfg.model.refine_head.update(map_size=16, **stages)
    else:
        cfg.model.backbone.update(embed_dims=32, depth=1, num_heads=2)
        cfg.model.mano_head.in_channels = 32
        for part in (cfg.model.mano_head, cfg.model.get('uncertainty_head')):
            if part:
                part.decoder.update(context_channels=32, depth=1)
    cfg.update(
        work_dir=str(work_dir),
        log_level='ERROR',
        launcher='none',
        experiment_name=work_dir.name,
    )
    cfg.default_hooks.pop('checkpoint')
    return cfg
