"""Parameters and time of a training step of the rows whose tables show costs.

All rows of a table take turns on the same batch, so that whatever else the machine does
meets all of them: forward pass, losses, backward pass and the optimiser's step, without
reading crops. Medians over the rounds. Nothing has to be trained; run it while nothing
else runs.

File ``tables/step_cost.json`` below the runs' folder, which table.py shows.

Example:
    python tools/reproduce/step_cost.py --rounds 20
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.reproduce.run_flags import parse_run_flags


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=20, help='timed steps of a row')
    parser.add_argument('--batch-size', type=int, default=16, help='crops')
    args = parse_run_flags(parser, argv)
    if args.rounds < 1 or args.batch_size < 1:
        parser.error('--rounds and --batch-size have to be at least 1')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS
from torch import nn

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.fileio.atomic import write_whole
from tools.reproduce.report import COST_FILE, COSTS, head, line
from tools.reproduce.rows import ROWS, TABLES, Table
from tools.reproduce.run_records import circumstances
from tools.reproduce.runs import Runs

WARM_UP = 2  # rounds


def config_of(runs: Runs, row: str) -> Config:
    """A row's config; its regressor's first weights do not matter here."""
    cfg = read_config(str(ROOT / runs.config(row)))
    cfg.model.mano_head.readout.init_cfg = None
    return cfg


def build(cfg: Config, device: str) -> nn.Module:
    """A row's model as it is trained: what its hook lets rest has no gradient."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device).train()
    for hook in cfg.custom_hooks:
        for name in hook.modules if hook.type == 'TwoPhaseHook' else ():
            getattr(model, name).requires_grad_(False).eval()
    return model


def count(model: nn.Module) -> int:
    """Parameters of a model, those at rest too; buffers are none."""
    return sum(parameter.numel() for parameter in model.parameters())


def step_of(cfg: Config, model: nn.Module, runs: Runs, batch_size: int) -> Callable:
    """A training step of a model on the cache's first crops, read before."""
    dataset = dict(cfg.train_dataloader.dataset, folder=str(runs.cache / 'train'))
    crops = DATASETS.build(dataset)
    batch = pseudo_collate([crops[row] for row in range(batch_size)])
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    return lambda: model.train_step(batch, optimiser)


def measure(steps: dict[str, Callable], rounds: int, cuda: bool) -> dict[str, float]:
    """Median milliseconds of each step; the steps take turns."""
    taken: dict[str, list[float]] = {row: [] for row in steps}
    for number in range(WARM_UP + rounds):
        for row, step in steps.items():
            start = time.perf_counter()
            step()
            if cuda:
                torch.cuda.synchronize()
            if number >= WARM_UP:
                taken[row].append(1e3 * (time.perf_counter() - start))
    return {row: statistics.median(values) for row, values in taken.items()}


def costs_of(runs: Runs, table: Table, args: argparse.Namespace) -> dict[str, dict]:
    """Of a table's rows the numbers of COSTS, times relative to the first row's."""
    cuda = torch.cuda.is_available()
    batch_size = min(args.batch_size, runs.crops['train'])
    steps, sizes = {}, {}
    for row in table.rows:
        cfg = config_of(runs, row)
        model = build(cfg, 'cuda' if cuda else 'cpu')
        steps[row] = step_of(cfg, model, runs, batch_size)
        sizes[row] = count(model)
    starts = {ROWS[row].start for row in table.rows} - {'', *sizes}
    sizes |= {row: count(build(config_of(runs, row), 'cpu')) for row in starts}
    times = measure(steps, args.rounds, cuda)
    first = times[table.rows[0]]
    return {
        row: dict(
            parameters=sizes[row] - sizes.get(ROWS[row].start, 0),
            relative=times[row] / first,
            milliseconds=times[row] / batch_size,
        )
        for row in table.rows
    }


def main(argv: list[str] | None = None) -> None:
    """Measure the tables that show costs, one after the other; print and write."""
    args = parse_args(argv)
    init_default_scope('mmpose')
    torch.set_num_threads(args.threads)
    rows: dict[str, dict] = {}
    with plain_errors(building=True):
        runs = Runs(args)
        for table in TABLES.values():
            if table.costs:
                rows |= costs_of(runs, table, args)
                print(f'\n{table.title}\n')
                print('\n'.join(head(['', *COSTS.values()])))
                for row in table.rows:
                    cells = [f'{rows[row][name]:.4g}' for name in COSTS]
                    print(line([ROWS[row].title, *cells]), flush=True)
    told = dict(rows=rows, batch_size=args.batch_size, **circumstances(args.threads))
    path = runs.out / 'tables' / COST_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(told, indent=1))


if __name__ == '__main__':
    main()
