"""What the models of finished runs predict on the test crops, and pages on it."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, MODELS
from mmpose.structures import PoseDataSample

from mmhand_dne.conventions import WRIST
from mmhand_dne.engine.runner.checkpoint_files import check_checkpoint
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.fileio.progress import Progress
from tools.reproduce.report import Values
from tools.reproduce.runs import Runs

ROOT = Path(__file__).resolve().parents[2]
BATCH = 32


class Predictions:
    """A finished run's model, and its predictions one crop after the other.

    Args:
        runs: all runs; MMPose's scope is the default one.
        row, seed: which run.

    Attributes:
        model: in evaluation mode.
    """

    def __init__(self, runs: Runs, row: str, seed: int) -> None:
        cfg = read_config(str(ROOT / runs.config(row)))
        folder = {'test_dataloader.dataset.folder': str(runs.cache / 'test')}
        cfg.merge_from_dict(folder)
        self.name = f'{row}, seed {seed}'
        self.model = MODELS.build(cfg.model).eval()
        state = check_checkpoint(str(runs.checkpoint(row, seed)))['state_dict']
        self.model.load_state_dict(state)
        self.crops = DATASETS.build(cfg.test_dataloader.dataset)

    def batches(self, count: int | None = None) -> Iterator[dict]:
        """The first crops, or all, packed for the model, with a bar."""
        count = len(self.crops) if count is None else count
        with Progress(count, self.name) as bar:
            for first in range(0, count, BATCH):
                rows = range(first, min(first + BATCH, count))
                yield pseudo_collate([self.crops[row] for row in rows])
                bar.update(len(rows))

    @torch.no_grad()
    def __iter__(self) -> Iterator[PoseDataSample]:
        for packed in self.batches():
            yield from self.model.test_step(packed)


def describe_runs(
    runs: Runs,
    rows: Iterable[str],
    seeds: Iterable[int],
    describe: Callable[[Predictions], dict[str, float]],
) -> dict[str, Values]:
    """What ``describe`` says of the finished runs; rows without any are left out.

    Raises:
        ValueError: no run of the rows is finished.
    """
    rows = tuple(rows)
    found = {
        row: {
            seed: describe(Predictions(runs, row, seed))
            for seed in seeds
            if runs.is_finished(row, seed)
        }
        for row in rows
    }
    if not any(found.values()):
        raise UserError(
            f'{runs.out}: of {", ".join(rows)} nothing is finished; run '
            'tools/reproduce/table.py first'
        )
    return {row: values for row, values in found.items() if values}


def write_cause(runs: Runs, name: str, text: str, found: dict[str, Values]) -> None:
    """Print a table; write ``tables/<name>.md`` and ``.json`` for ``publish.py``."""
    write_whole(runs.out / 'tables' / f'{name}.md', text + '\n')
    path = runs.out / 'tables' / f'{name}.json'
    write_whole(path, json.dumps(found, indent=1))
    print(text)


def annotated_slot(sample: PoseDataSample) -> int:
    """Which of the two hands a crop is of."""
    valid = np.asarray(sample.gt_instance_labels.hand_joints_valid)[0] > 0
    return int(valid.any(-1).argmax())


def field(fields, name: str, slot: int) -> np.ndarray:
    """A field of ground truth or prediction, of one hand, float64."""
    return np.asarray(fields[name])[0, slot].astype(np.float64)


def joint_gap(sample: PoseDataSample, slot: int) -> np.ndarray:
    """(21, 3) metres, true less predicted joints of a hand, each from its own wrist."""
    joints = field(sample.pred_instances, 'hand_joints', slot)
    gt = field(sample.gt_instance_labels, 'hand_joints', slot)
    return gt - (joints - joints[WRIST])


def between_joints(matrices: np.ndarray) -> float:
    """Mean over the entries of (..., 3 J, 3 J) for coordinates of different joints."""
    joint = np.arange(matrices.shape[-1]) // 3
    return float(matrices[..., joint[:, None] != joint].mean())
