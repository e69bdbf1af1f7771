"""DumpPredictions: predictions, with their ground truth, in a file that numpy reads."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import (
    barrier,
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpose.registry import METRICS

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.dump_file import TEXT, DumpFile, RowFiles, merge_rows

from .image_results import image_identity, image_name, refuse_empty

STAGE_FIELD = re.compile(r'(coarse|stage\d+)_')
ANNOTATED = ('keypoints', 'keypoints_cam', 'keypoints_visible')  # of gt_instances
META = (
    'img_path',
    'id',
    'img_id',
    'sample_idx',
    'dataset_name',
    'input_size',
    'ori_shape',
    'crop_affine',
    'hand_type',
    'hand_type_valid',
    'hand_side',
    'flip',
    'image_mean',
)
GROUPS = dict(pred='pred_instances', gt='gt_instance_labels', annotation='gt_instances')


@METRICS.register_module()
class DumpPredictions(BaseMetric):
    """Write every image's prediction to one ``.npz``; measures nothing.

    ``tools/test.py --dump FILE.npz`` adds it. What the file holds is documented in
    ``mmhand_dne.fileio.dump_file``; ``score_predictions.py`` scores it,
    ``export_submission.py`` makes a submission of it. Rows go to the disk as they come,
    so memory stays small; each process writes its own (``FILE.npz.parts``) to a folder
    that all see, the main one sorts them at the end.

    Args:
        out_file: path that ends in .npz.
        fields: of ``pred_instances``; None: all but the copies of single stages.
        with_gt: keep the ground truth too, so that the file can be scored without the
            data set.
        collect_device, collect_dir: as in ``BaseMetric``; not used.

    Raises:
        ValueError: ``out_file`` has another ending.
    """

    def __init__(
        self,
        out_file: str,
        fields: Sequence[str] | None = None,
        with_gt: bool = True,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ):
        if not str(out_file).endswith('.npz'):
            raise UserError(
                f'DumpPredictions: out_file is {str(out_file)!r}, expected a name that '
                "ends in .npz; MMEngine's DumpResults writes .pkl"
            )
        super().__init__(collect_device, None, collect_dir)
        self.path, self.fields = Path(out_file), fields
        self.with_gt, self.rows = with_gt, None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write the rows of a batch.

        Args:
            data_batch: not used.
            data_samples: dicts of data samples with pred_instances of one instance.

        Raises:
            ValueError: a prediction is missing, or has other fields or shapes than the
                first one.
        """
        for sample in data_samples:
            image = image_name(sample)
            row = self._row(sample, image)
            if self.rows is None:
                self.rows = RowFiles(self._parts() / f'{get_rank()}')
            self.rows.add(row, f'image {image}')

    def evaluate(self, size: int) -> dict:
        """Sort all processes' rows into the file; ``size`` is not used.

        Raises:
            ValueError: no rank processed an image, or the parts do not fit together.
        """
        count = self.rows.count if self.rows else 0
        refuse_empty('DumpPredictions', range(count))
        if self.rows is None:  # a rank without images
            self.rows = RowFiles(self._parts() / f'{get_rank()}')
        self.rows.close()
        self.rows = None
        barrier()
        problem = [None]
        if is_main_process():
            problem = [self._merge()]
        broadcast_object_list(problem)
        if problem[0]:
            raise UserError(problem[0])
        return {}

    def compute_metrics(self, results: list) -> dict:
        """Nothing is measured."""
        return {}

    def _merge(self) -> str | None:
        """What went wrong, None for nothing."""
        folders = [self._parts() / str(rank) for rank in range(get_world_size())]
        try:
            count = merge_rows(folders, self.path)
        except (OSError, ValueError) as error:
            return str(error)
        shutil.rmtree(self._parts())
        print_log(f'{self.path}: predictions of {count} images', 'current')
        return None

    def _parts(self) -> Path:
        return Path(f'{self.path}.parts')

    def _row(self, sample: dict, image: str) -> dict:
        fields = sample.get('pred_instances')
        if not fields:
            raise UserError(
                f'image {image}: no pred_instances to dump; give --dump a name that '
                "ends in .pkl for MMEngine's own format"
            )
        names = self.fields
        if names is None:
            names = [name for name in fields if not STAGE_FIELD.match(name)]
        row = dict(order=np.array(image_identity(sample, image), np.int64))
        groups = dict(pred=names)
        if self.with_gt:
            groups['gt'] = list(sample.get('gt_instance_labels', {}))
            groups['annotation'] = [
                name for name in ANNOTATED if name in sample.get('gt_instances', {})
            ]
        for group, wanted in groups.items():
            for name in wanted:
                values = sample[GROUPS[group]]
                row[f'{group}/{name}'] = _one_instance(values, name, image)
        for key in META:
            if key in sample:
                value = sample[key]
                text = isinstance(value, str)
                row[f'meta/{key}'] = value if text else np.asarray(value)
        return row


def dumped_samples(dump: DumpFile, keys: Sequence[str] | None = None) -> Iterator[dict]:
    """The samples of a dump, as ``process`` of a metric takes them, in their order.

    Args:
        keys: fields to read, e.g. ``pred/hand_joints``; None: all.
    """
    if keys is None:
        keys = [key for key in dump.fields if key != 'order']
    for chunk in dump.chunks(keys):
        for i in range(len(next(iter(chunk.values())))):
            sample: dict = {}
            for key, values in chunk.items():
                group, name = key.split('/', 1)
                if group == 'meta':
                    sample[name] = _plain(values[i])
                else:
                    sample.setdefault(GROUPS[group], {})[name] = values[i : i + 1]
            yield sample


def _one_instance(values: dict, name: str, image: str) -> np.ndarray:
    if name not in values:
        raise UserError(
            f'image {image}: {name!r} is not predicted; choose from {sorted(values)}'
        )
    array = values[name]
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
    array = np.asarray(array)
    if array.ndim < 1 or len(array) != 1:
        raise UserError(
            f'image {image}: {name!r} has shape {array.shape}, expected one instance '
            "per image; give --dump a name that ends in .pkl for MMEngine's own format"
        )
    return array[0]


def _plain(value: Any) -> Any:
    """Text for bytes, Python's numbers for single ones."""
    if isinstance(value, bytes):
        return value.decode(errors=TEXT)
    return value.item() if np.ndim(value) == 0 else value
