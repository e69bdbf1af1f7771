"""Score predictions without a model: a dump of tools/test.py, or a submission.

Examples:
    # A dump, by the evaluator of its config (ground truth in the dump, else the data
    # set's):
    python tools/analysis_tools/score_predictions.py predictions.npz \
        --config configs/dne_interhand.py --out metrics.json
    # A dump of FreiHAND's or HO-3D's evaluation, as the official script; scores.txt:
    python tools/analysis_tools/score_predictions.py predictions.npz \
        --protocol ho3d --out-dir work_dirs/ho3d
    # Anybody's submission against the released ground truth
    # (evaluation_{xyz,verts}.json):
    python tools/analysis_tools/score_predictions.py pred.zip --protocol freihand \
        --ground-truth data/freihand_v2 --out-dir work_dirs/freihand
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import ConfigOptions
from mmhand_dne.conventions import ROOTS
from mmhand_dne.errors import UserError

OFFICIAL = dict(freihand='FreiHANDMetric', ho3d='HO3DMetric')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'predictions', type=Path, help='.npz of test.py --dump, or pred.json, pred.zip'
    )
    parser.add_argument('--protocol', choices=sorted(OFFICIAL), help='official scores')
    parser.add_argument(
        '--ground-truth',
        type=Path,
        help='folder of evaluation_xyz.json and evaluation_verts.json; for submissions',
    )
    parser.add_argument('--config', help='whose test_evaluator scores a dump')
    parser.add_argument(
        '--root',
        choices=ROOTS,
        help='where official scores of a dump put the hand; default as the metric has',
    )
    parser.add_argument('--out-dir', type=Path, help='folder of scores.txt')
    parser.add_argument('--out', type=Path, help='write all scores to this json file')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={})
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, EVALUATORS, METRICS

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.datasets.readers.freihand_files import find
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.evaluation.functional.official_scores import (
    official_scores,
    scores_text,
)
from mmhand_dne.evaluation.functional.submission import read_points, read_submission
from mmhand_dne.evaluation.metrics.dump_predictions import dumped_samples
from mmhand_dne.evaluation.metrics.official_metric import OfficialScoreMetric
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.fileio.dump_file import DumpFile

BATCH = 32  # images scored at once
GT = ('gt_instance_labels', 'gt_instances')


def score_submission(args) -> dict[str, float]:
    """The official scores of a pred.json or pred.zip."""
    if args.protocol is None or args.ground_truth is None:
        raise UserError(
            f'{args.predictions}: a submission needs --protocol and --ground-truth '
            'FOLDER, where the released evaluation_xyz.json and '
            'evaluation_verts.json are'
        )
    gt = [
        read_points(ground_truth_file(args.ground_truth, name), points)
        for name, points in (('xyz', 'joints'), ('verts', 'vertices'))
    ]
    pred = read_submission(args.predictions)
    if len(pred[0]) != len(gt[0]):
        raise UserError(
            f'{args.predictions}: has {len(pred[0]):,} rows, the ground truth '
            f'{len(gt[0]):,}; give one row per image of the evaluation set, in '
            'its order'
        )
    counts = METRICS.get(OFFICIAL[args.protocol]).counts
    if len(gt[0]) not in counts.values():
        print(
            f'note: {args.ground_truth} has {len(gt[0]):,} rows of ground truth, the '
            'official evaluation '
            f'{" or ".join(f"{n:,} ({v})" for v, n in counts.items())}'
        )
    return official_scores(pred, gt, args.protocol)


def ground_truth_file(folder: Path, name: str) -> Path:
    """``evaluation_<name>.json`` of a folder."""
    path = find(folder, f'evaluation_{name}.json')
    if path is None:
        raise UserError(
            f'{folder}: has no evaluation_{name}.json; download the '
            'released evaluation ground truth'
        )
    return path


def build_evaluator(args, cfg) -> Evaluator:
    """The config's, or one with the metric of the protocol."""
    if args.protocol is not None:
        options = dict(root=args.root) if args.root else {}
        return Evaluator(dict(type=OFFICIAL[args.protocol], **options))
    if cfg is None:
        raise UserError(
            f'{args.predictions}: a dump needs --protocol or --config, to know how to '
            'score it'
        )
    evaluator = cfg.test_evaluator
    if isinstance(evaluator, dict) and evaluator['type'] in EVALUATORS:
        return EVALUATORS.build(evaluator)
    return Evaluator(evaluator)


def with_gt(samples: Iterator[dict], cfg, path: Path) -> Iterator[dict]:
    """Samples of a dump without ground truth get the data set's, by index."""
    dataset = None
    for sample in samples:
        if GT[0] in sample:
            yield sample
            continue
        if cfg is None:
            raise UserError(
                f'{path}: has no ground truth; give --config, whose test data have it, '
                'or dump with_gt'
            )
        if dataset is None:
            dataset = DATASETS.build(cfg.test_dataloader.dataset)
        found = dataset[sample['sample_idx']]['data_samples'].to_dict()
        if str(found.get('id')) != str(sample.get('id')):
            raise UserError(
                f'{path}: image {sample["sample_idx"]} has id {sample.get("id")}, the '
                f'data set of the config {found.get("id")}; give the config of the dump'
            )
        yield {**sample, **{key: found[key] for key in GT if key in found}}


def score_dump(args) -> dict[str, float]:
    """The scores of every metric, with their prefixes."""
    cfg = read_config(args.config, args.cfg_options) if args.config else None
    dump, evaluator = DumpFile(args.predictions), build_evaluator(args, cfg)
    samples = with_gt(dumped_samples(dump), cfg, args.predictions)
    while batch := list(islice(samples, BATCH)):
        evaluator.process(batch)
    scores = {}
    for metric in evaluator.metrics:
        found = metric.evaluate(dump.images)
        scores.update(found)
        if isinstance(metric, OfficialScoreMetric):
            write_scores(args, {k.split('/')[-1]: v for k, v in found.items()})
    return scores


def write_scores(args, scores: dict[str, float]) -> None:
    """``scores.txt`` under the official names."""
    if args.out_dir is None:
        return
    path = write_whole(args.out_dir / 'scores.txt', scores_text(scores))
    print(f'Scores written to: {path}')


def main(args=None):
    args = parse_args(args)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        if args.predictions.suffix in ('.json', '.zip'):
            scores = score_submission(args)
            write_scores(args, scores)
        else:
            scores = score_dump(args)
    for name, value in scores.items():
        print(f'{name}: {value:f}')
    if args.out:
        write_whole(args.out, json.dumps(scores, indent=2))


if __name__ == '__main__':
    main()
