"""Measure what a constant prediction scores: the training set's mean hands.

The lowest bar for a model. Mean mesh, camera, position and presence of each hand are
taken from the training split of a config, without augmentation, and evaluated by the
config's own evaluator on its test (or validation) split.

Example:
    python tools/analysis_tools/constant_predictor.py configs/dne_rendered.py \
        --out work_dirs/dne_rendered/constant.json
"""

import argparse
import json
from pathlib import Path

from mmhand_dne.cli.arguments import ConfigOptions


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=('test', 'val'), default='test')
    parser.add_argument('--out', type=Path, help='write the metrics to this json file')
    parser.add_argument(
        '--max-train',
        type=int,
        default=5000,
        help='take at most so many training images, evenly spaced',
    )
    parser.add_argument('--workers', type=int, default=0, help='of the data loaders')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={})
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch.utils.data import Subset

from mmhand_dne.evaluation.functional.mean_hands import MeanHands
from mmhand_dne.fileio.atomic import write_whole


def replace_pipeline(dataset: dict, pipeline: list) -> None:
    """Set the pipeline of a dataset config, also inside wrappers."""
    parts = dataset.get('datasets') or [dataset.get('dataset')]
    if parts == [None]:
        dataset['pipeline'] = pipeline
        return
    for part in parts:
        replace_pipeline(part, pipeline)


def find_pipeline(dataset: dict) -> list:
    """The pipeline of a dataset config, or of the first one inside a wrapper."""
    while 'pipeline' not in dataset:
        dataset = (
            dataset['datasets'][0] if 'datasets' in dataset else dataset['dataset']
        )
    return dataset['pipeline']


def build_loader(dataset, workers: int):
    """Every image of a dataset (or its config) once, in order."""
    return Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=16,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
    )


def measure_mean(cfg, max_train: int, workers: int) -> MeanHands:
    """Mean hands of the training split, read as the evaluated split is."""
    dataset = cfg.train_dataloader.dataset
    replace_pipeline(dataset, find_pipeline(cfg.test_dataloader.dataset))
    dataset = build_loader(dataset, 0).dataset
    if len(dataset) > max_train:
        step = len(dataset) / max_train
        print(f'mean of {max_train} evenly spaced of {len(dataset)} training images')
        dataset = Subset(dataset, [int(i * step) for i in range(max_train)])
    mean = MeanHands()
    for batch in build_loader(dataset, workers):
        for sample in batch['data_samples']:
            mean.add(sample)
    return mean


def evaluate(cfg, split: str, fields: dict, workers: int) -> dict:
    """Metrics of one prediction for every image of a split."""
    loader = build_loader(cfg[f'{split}_dataloader'].dataset, workers)
    metrics = cfg[f'{split}_evaluator']
    metrics = metrics if isinstance(metrics, list) else [metrics]
    evaluator = Evaluator([m for m in metrics if m['type'] == 'HandMeshMetric'])
    for batch in loader:
        for sample in batch['data_samples']:
            sample.pred_instances = InstanceData(**fields)
        evaluator.process(batch['data_samples'])
    return evaluator.evaluate(len(loader.dataset))


def main(args=None):
    args = parse_args(args)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    mean = measure_mean(cfg, args.max_train, args.workers)
    fields = mean.prediction()
    for side in mean.unseen_sides():
        print(f'no true mesh of a {side} hand in the training split: predicting zeros')
    metrics = evaluate(cfg, args.split, fields, args.workers)
    for name, value in metrics.items():
        print(f'{name:16s} {value:9.3f}')
    if args.out:
        write_whole(args.out, json.dumps(metrics, indent=2))


if __name__ == '__main__':
    main()
