"""How well a DNE model's confidence chooses among its noisy samples.

    python tools/analysis_tools/rank_samples.py CONFIG CHECKPOINT [--samples 16]

Draws R samples of each hand of the test split in the last stage, and prints the error
of the one chosen at random (the mean of all), by the density of its noise, by the
model's own learned confidence and by the truth (oracle), and the rank correlation of
each score with the negative error among the samples of a hand. "share" is how much of
the way from random to oracle a choice goes.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import add_config_options

RANDOM, ORACLE = 'random', 'oracle'


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--samples', type=int, default=16, metavar='R')
    parser.add_argument('--images', type=int, help='at most so many; all by default')
    parser.add_argument('--seed', type=int, default=0, help='of the noise')
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    add_config_options(parser)
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import mmhand_dne  # noqa: F401

# isort: split
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint_to_model
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.engine.hooks.checkpoint_match_hook import check_hand, what_differs
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.models.confidences import DensityConfidence


def load_model(cfg: Config, path: str) -> nn.Module:
    """The config's model with a checkpoint's weights, in evaluation mode."""
    model = MODELS.build(cfg.model)
    if getattr(model, 'refine_head', None) is None:
        raise UserError(f'{cfg.filename}: has no refine_head, whose samples to rank')
    checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu')
    problems = what_differs(model, checkpoint)
    if problems:
        raise UserError(
            f'{path}: is not of this model: {"; ".join(problems)}; use the config it '
            'was trained with'
        )
    check_hand(model, checkpoint, path)
    _load_checkpoint_to_model(model, checkpoint)
    return model.eval()


def watch_samples(stage: nn.Module) -> list:
    """A list that gets what the stage samples from now on."""
    seen, sample = [], stage.sample

    def watched(*args, **kwargs):
        seen.append(sample(*args, **kwargs))
        return seen[-1]

    stage.sample = watched
    return seen


@torch.no_grad()
def rank(model: nn.Module, loader, samples: int) -> dict[str, Tensor]:
    """Errors and scores of every sample of every hand with a true mesh.

    Returns: ``errors`` (N, R) mm, and scores (N, R) by the name of the choice.
    """
    head = model.refine_head
    stage = head.stages[-1]
    head.num_samples = samples
    head.train()  # draws noise; the rest of the model is in evaluation mode
    seen, density, rows = watch_samples(stage), DensityConfidence(), []
    for batch in loader:
        batch = model.data_preprocessor(batch)
        refined = model.run_heads(batch['inputs']).refined[-1]
        targets = model.targets_of(batch['data_samples'], refined.state.vertices.device)
        drawn, valid = seen.pop(), targets.vertices_valid > 0
        found = dict(
            errors=MILLIMETRES * head.sample_errors(refined, targets),
            density=density(drawn),
        )
        if not isinstance(stage.confidence, DensityConfidence):
            found['learned'] = stage.confidence(drawn)
        rows.append({k: v.transpose(1, 2)[valid] for k, v in found.items()})
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def summary(found: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Per choice: mean error mm, share of the way to the oracle, rank correlation."""
    errors = found['errors'].double()
    scores = {name: score for name, score in found.items() if name != 'errors'}
    table = {RANDOM: dict(error=errors.mean().item())}
    for name, score in {**scores, ORACLE: -errors}.items():
        chosen = errors.gather(1, score.argmax(1, keepdim=True))
        table[name] = dict(
            error=chosen.mean().item(), rank=rank_correlation(score, -errors)
        )
    low, high = table[ORACLE]['error'], table[RANDOM]['error']
    for row in table.values():
        row['share'] = (high - row['error']) / (high - low)
    return table


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's of (N, R) in each row, mean over rows; no ties are expected."""
    ranks = [values.argsort(1).argsort(1).double() for values in (one, other)]
    centred = [r - r.mean(1, keepdim=True) for r in ranks]
    norms = [r.norm(dim=1) for r in centred]
    return ((centred[0] * centred[1]).sum(1) / (norms[0] * norms[1])).mean().item()


def show(table: dict[str, dict[str, float]], hands: int, samples: int) -> None:
    """Print a line for each choice."""
    print(f'{samples} samples of each of {hands} hands')
    print('| choice | MPVPE [mm] | share | rank correlation |\n|---|---:|---:|---:|')
    for name, row in table.items():
        correlation = f'{row["rank"]:.3f}' if 'rank' in row else '-'
        print(f'| {name} | {row["error"]:.3f} | {row["share"]:.3f} | {correlation} |')


def main(args=None) -> dict[str, dict[str, float]]:
    """Rank, print, and return the table."""
    args = parse_args(args)
    if args.samples < 2:
        raise UserError(f'--samples {args.samples}: nothing to rank; give 2 or more')
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    model = load_model(cfg, args.checkpoint)
    options = dict(cfg.test_dataloader)
    if args.images is not None:
        options['dataset'] = dict(options['dataset'], indices=args.images)
    torch.manual_seed(args.seed)
    found = rank(model, Runner.build_dataloader(options), args.samples)
    table = summary(found)
    show(table, len(found['errors']), args.samples)
    if args.out is not None:
        write_whole(args.out, json.dumps(table, indent=2))
    return table


if __name__ == '__main__':
    with plain_errors():
        main()
