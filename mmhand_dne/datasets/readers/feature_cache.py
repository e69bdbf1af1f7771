"""Feature maps of a frozen network, computed once and kept on disk.

A folder holds, for N crops of one hand each:

- ``level0.npy``, ``level1.npy``, ...: (N, C, h, w) float16, the network's maps, the
  finest first;
- ``labels.npy``: (N, K) float32, the fields of ``HAND_LABELS`` of slot 0, one after the
  other;
- ``samples.jsonl``: one line a crop, the data sample's metainfo;
- ``cache.json``: what it was made of, and how many crops are done. It is written last,
  so that a run that was stopped continues where it says.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.structures.ground_truth_fields import HAND_LABELS, SIZES, HandLabels

DESCRIPTION, SAMPLES, LABELS = 'cache.json', 'samples.jsonl', 'labels.npy'
NAMED_LATER = 'sample_idx'  # the position in the cache, whatever it was before


class FeatureCache(NamedTuple):
    """An opened cache; arrays are memory-mapped, and only read.

    Attributes:
        settings: what it was made of, as the writer was told.
        levels: (N, C, h, w) float16 each, the finest first.
        labels: (N, K) float32.
        samples: (N) lines, which :func:`metainfo_of` reads.
    """

    settings: dict
    levels: tuple[np.ndarray, ...]
    labels: np.ndarray
    samples: list[str]


def open_cache(folder: str | Path) -> FeatureCache:
    """Open a finished cache.

    Raises:
        ValueError: there is none, or it is not finished.
    """
    folder = Path(folder)
    told = _description(folder)
    if told is None:
        raise UserError(
            f'{folder}: there is no cache of features; make it with '
            'tools/reproduce/cache_features.py'
        )
    if told['done'] < told['count']:
        raise UserError(
            f'{folder}: {told["done"]} of {told["count"]} crops are cached; run '
            'tools/reproduce/cache_features.py again, it continues'
        )
    lines = (folder / SAMPLES).read_text().splitlines()
    levels = (
        np.load(_level(folder, i), mmap_mode='r') for i in range(len(told['shapes']))
    )
    return FeatureCache(
        told['settings'],
        tuple(levels),
        np.load(folder / LABELS, mmap_mode='r'),
        lines,
    )


class FeatureCacheWriter:
    """Fill a cache, crop after crop; a folder that was begun is continued.

    Args:
        folder: of the cache.
        settings: what it is made of, for JSON; another one than before is refused.
        count: N crops.
        shapes: (C, h, w) of each level, the finest first.
        num_vertices: V of the hand.

    Attributes:
        done: crops that are on the disk.

    Raises:
        ValueError: the folder holds a cache of something else.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: Mapping[str, Any],
        count: int,
        shapes: Sequence[Sequence[int]],
        num_vertices: int,
    ) -> None:
        self.folder, self.count = Path(folder), count
        self.told = dict(
            settings=dict(settings), count=count, shapes=[list(s) for s in shapes]
        )
        self.told = json.loads(json.dumps(self.told))  # tuples as JSON has them
        before = _description(self.folder)
        self.done = 0 if before is None else before['done']
        if before is not None:
            for name, value in self.told.items():
                if before[name] != value:
                    raise UserError(
                        f'{self.folder}: holds features of other {name}; give another '
                        'folder or delete this one'
                    )
        sizes = {_level(self.folder, i): (count, *s) for i, s in enumerate(shapes)}
        self.levels = [self._array(p, s, np.float16) for p, s in sizes.items()]
        width = _layout(num_vertices)[-1][1].stop
        self.labels = self._array(self.folder / LABELS, (count, width), np.float32)
        path = self.folder / SAMPLES
        lines = path.read_text().splitlines() if self.done else []
        self.lines = lines[: self.done]

    def _array(self, path: Path, shape: tuple, dtype: type) -> np.ndarray:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.done:
            return np.lib.format.open_memmap(path, mode='r+')
        return np.lib.format.open_memmap(path, mode='w+', dtype=dtype, shape=shape)

    def append(self, levels: Sequence[Tensor], data_samples: Sequence) -> None:
        """Add the next crops.

        Args:
            levels: (B, C, h, w) each, as the shapes say.
            data_samples: (B) packed samples of one hand, in slot 0.
        Raises:
            ValueError: a number does not fit into float16.
        """
        rows = slice(self.done, self.done + len(data_samples))
        for target, level in zip(self.levels, levels, strict=True):
            values = level.detach().half().cpu()
            if not values.isfinite().all():
                raise UserError(
                    f'{self.folder}: features of crop {self.done} and on do not fit '
                    'into float16; the network is not one that was trained'
                )
            target[rows] = values.numpy()
        self.labels[rows] = np.stack(
            [pack_labels(sample.gt_instance_labels) for sample in data_samples]
        )
        for array in (*self.levels, self.labels):
            array.flush()
        self.lines += [_line(sample.metainfo) for sample in data_samples]
        write_whole(self.folder / SAMPLES, '\n'.join(self.lines) + '\n')
        self.done = rows.stop
        told = dict(self.told, done=self.done)
        write_whole(self.folder / DESCRIPTION, json.dumps(told, indent=2))


def pack_labels(labels: HandLabels) -> np.ndarray:
    """Fields of slot 0 of (1, S, ...), and those of the image, as (K,) float32."""
    parts = []
    for name, field in HAND_LABELS.items():
        value = labels[name][0]
        parts.append((value[0] if field.shape.startswith('S') else value).flatten())
    return torch.cat(parts).float().numpy()


def unpack_labels(row: np.ndarray, num_vertices: int) -> HandLabels:
    """(K,) float32 -> the fields with a leading 1, slot 1 empty."""
    labels = HandLabels()
    values = torch.from_numpy(np.array(row, np.float32))
    for name, part, shape, is_slot in _layout(num_vertices):
        value = values[part].view(1, *shape)
        if is_slot:
            both = value.new_zeros(1, 2, *shape)
            both[:, 0] = value
            if name == 'mano_rotations':
                both[:, 1] = torch.eye(3)
            value = both
        # An attribute compares the lengths of all fields so far, in every crop anew;
        # all of these are 1 long.
        labels.set_field(value, name)
    return labels


def metainfo_of(line: str) -> dict:
    """A line of the samples as a data sample's metainfo."""
    told = json.loads(line)
    return {
        key: np.array(value) if isinstance(value, list) else value
        for key, value in told.items()
    } | {'input_size': tuple(told['input_size'])}


def _line(metainfo: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in metainfo.items() if key != NAMED_LATER}
    # Sorted: metainfo keeps its names in a set, whose order is another in every run.
    return json.dumps(kept, default=_plain, sort_keys=True)


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()


@lru_cache(maxsize=4)
def _layout(num_vertices: int) -> list[tuple[str, slice, tuple[int, ...], bool]]:
    """Of each field: name, place in a row, shape of slot 0, whether it has slots."""
    sizes = {**SIZES, 'V': num_vertices}
    layout, start = [], 0
    for name, field in HAND_LABELS.items():
        letters = field.shape.removeprefix('S').split()
        shape = tuple(int(x) if x.isdigit() else sizes[x] for x in letters)
        part = slice(start, start + math.prod(shape))
        layout.append((name, part, shape, field.shape.startswith('S')))
        start = part.stop
    return layout


def _level(folder: Path, number: int) -> Path:
    return folder / f'level{number}.npy'


def _description(folder: Path) -> dict | None:
    path = folder / DESCRIPTION
    return json.loads(path.read_text()) if path.exists() else None
