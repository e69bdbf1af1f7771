"""Train the five covariance models on rendered hands and print one table.

For every seed the deterministic model is trained once; then each of the five, the
deterministic one too, continues from it for the same few epochs, as the paper
fine-tunes from HaMeR. All are scored on the test split. Finished runs are skipped,
unfinished ones resume, so the command may be stopped and repeated.

Example:
    python tools/make_rendered_data.py data/rendered --train 1024 --test 256 \
        --image-size 256 180 --max-turn 35 --camera-spread 20 \
        --occlusion-share 0.1 --interacting-share 0.15
    python tools/analysis_tools/compare_covariances.py --data-root data/rendered
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.fileio.atomic import write_whole

ROOT = Path(__file__).resolve().parents[2]
MODELS = ('deterministic', 'diagonal', 'full', 'correlated', 'correlated-nolinear')
COLUMNS = {
    'MPJPE_All': 'MPJPE [mm]',
    'NLL': 'NLL [nats/coord.]',
    'AUSC': 'AUSC [mm]',
    'AUSE': 'AUSE [mm]',
    'Pearson': 'Pearson',
    'Spearman': 'Spearman',
    'coverage_90': 'joints in 90 %',
    'coverage_hand_90': 'hands in 90 %',
}
DIGITS = {'MPJPE_All': 2, 'AUSC': 2, 'AUSE': 2}


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', type=Path, default=ROOT / 'data/rendered')
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/compare_covariances'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--finetune-epochs', type=int, default=6)
    parser.add_argument(
        '--finetune-lr',
        type=float,
        default=2e-4,
        help='of the mean; the schedule multiplies it for the error bars',
    )
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs at the same time'
    )
    parser.add_argument('--cfg-options', nargs='+', default=[], help='for every run')
    return parser.parse_args(args)


def config_of(model: str) -> Path:
    """The CPU-sized config of a model."""
    return ROOT / f'configs/hamer/hamer-{model}_small_rendered-128x128.py'


def call(tool: str, *arguments, log: Path, threads: int) -> None:
    """Run a tool; what it says goes into a file.

    Raises:
        RuntimeError: it failed; tells the last line and the file.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, 'OMP_NUM_THREADS': str(threads)}
    command = [sys.executable, ROOT / 'tools' / tool, *map(str, arguments)]
    with log.open('w') as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode:
        last = (log.read_text().strip().splitlines() or ['nothing'])[-1]
        raise RuntimeError(f'{tool} failed, saying {last!r}; all that it said: {log}')


def options_of(args, seed: int, epochs: int) -> list[str]:
    """Config keys that every run of a seed shares."""
    found = [
        f'randomness.seed={seed}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
        f'param_scheduler.0.end={epochs}',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
    ]
    found += [
        f'{split}_dataloader.dataset.dataset.data_root={args.data_root}'
        for split in ('train', 'val', 'test')
    ]
    return [*found, *args.cfg_options]


def train(args, seed: int, model: str, folder: Path, epochs: int, *options) -> Path:
    """Train or continue a run; its last checkpoint."""
    last, mark = folder / 'last_checkpoint', folder / 'trained.json'
    wanted = [str(config_of(model)), *options_of(args, seed, epochs), *options]
    if not (mark.exists() and json.loads(mark.read_text()) == wanted):
        call(
            'train.py',
            config_of(model),
            '--work-dir',
            folder,
            '--no-validate',
            '--resume',
            '--cfg-options',
            *wanted[1:],
            log=folder / 'train.log',
            threads=max(1, os.cpu_count() // args.jobs),
        )
        write_whole(mark, json.dumps(wanted))
    return Path(last.read_text().strip())


def run_model(args, seed: int, model: str, base: Path) -> dict[str, float]:
    """Continue from the base as ``model`` and score it; the metrics."""
    folder = args.work_dir / f'seed{seed}' / model
    checkpoint = train(
        args,
        seed,
        model,
        folder,
        args.finetune_epochs,
        f'load_from={base}',
        f'optim_wrapper.optimizer.lr={args.finetune_lr}',
    )
    scores = folder / 'metrics.json'
    if not scores.exists() or scores.stat().st_mtime < checkpoint.stat().st_mtime:
        call(
            'test.py',
            config_of(model),
            checkpoint,
            '--work-dir',
            folder,
            '--out',
            scores,
            '--cfg-options',
            *options_of(args, seed, 1),
            log=folder / 'test.log',
            threads=max(1, os.cpu_count() // args.jobs),
        )
    print(f'seed {seed}, {model}: scored', flush=True)
    return json.loads(scores.read_text())


def run_base(args, seed: int) -> Path:
    """Train a seed's deterministic model; its checkpoint."""
    folder = args.work_dir / f'seed{seed}' / 'base'
    base = train(args, seed, 'deterministic', folder, args.epochs)
    print(f'seed {seed}: deterministic model trained', flush=True)
    return base


def table(scores: dict[str, list[dict]]) -> str:
    """Markdown: mean over seeds, and half the range over them."""
    lines = [
        '| model | ' + ' | '.join(COLUMNS.values()) + ' |',
        '|---|' + '---:|' * len(COLUMNS),
    ]
    for model, runs in scores.items():
        cells = []
        for key in COLUMNS:
            values = [run[key] for run in runs if key in run]
            digits = DIGITS.get(key, 3)
            half_range = (max(values) - min(values)) / 2 if values else 0
            cells.append(
                f'{statistics.mean(values):.{digits}f} ± {half_range:.{digits}f}'
                if values
                else '-'
            )
        lines.append(f'| {model} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def main(args=None) -> None:
    args = parse_args(args)
    args.work_dir, args.data_root = args.work_dir.resolve(), args.data_root.resolve()
    with ThreadPoolExecutor(args.jobs) as pool:
        bases = list(pool.map(lambda seed: run_base(args, seed), args.seeds))
        pairs = [
            (model, seed, base)
            for model in args.models
            for seed, base in zip(args.seeds, bases)
        ]
        found = list(
            pool.map(lambda pair: run_model(args, pair[1], pair[0], pair[2]), pairs)
        )
    scores = {model: [] for model in args.models}
    for (model, _, _), metrics in zip(pairs, found):
        scores[model].append(metrics)
    text = table(scores)
    write_whole(args.work_dir / 'table.md', text + '\n')
    write_whole(args.work_dir / 'scores.json', json.dumps(scores, indent=2))
    print(f'\nMean ± half the range over seeds {args.seeds}:\n\n{text}')


if __name__ == '__main__':
    main()
