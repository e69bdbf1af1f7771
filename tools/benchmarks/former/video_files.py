"""A video's files as they were at first: JSON with meshes of each frame, written twice.

Raw results, from which a stopped run went on, then final ones; each number was rounded
by itself.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.apis.demo_run import FRAMES, DemoRun
from mmhand_dne.apis.result_writers.json_writer import SCHEMA, VERSION
from mmhand_dne.apis.temporal.tracking import track
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.structures.hand_result import HandResult, ImageResult, ManoParameters


class FormerVideoRun(DemoRun):
    """A run of the demo on a video without pictures or smoothing, as it was."""

    def _run_video(self) -> None:
        raw = self.folder / FRAMES
        results = []
        for frame, result in self._predicted(iter(self.source), len(self.source)):
            write_json(raw / f'{frame.name}.json', result)
            results.append(result)
        final = list(track(results))
        for name, result in zip(self._names(), final):
            write_json(self.folder / f'{name}.json', result)
            self._count(result)

    def _names(self) -> Iterator[str]:
        """Of the frames, which are read once more."""
        return (frame.name for frame in self.source)


def write_json(path: Path, result: ImageResult) -> None:
    """A result with its meshes, whole or not at all."""
    plain = dict(
        schema=SCHEMA,
        version=VERSION,
        source=result.source,
        index=result.index,
        size=list(result.size),
        problem=result.problem,
        track_ids=list(result.track_ids),
        hands=[plain_record(hand) for hand in result.hands],
    )
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False)
    write_whole(path, text.encode('utf-8'))


def plain_record(record: HandResult | ManoParameters) -> dict[str, Any]:
    """Fields by name, as lists, numbers and text."""
    plain = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if value is None:
            continue
        if isinstance(value, ManoParameters):
            value = plain_record(value)
        elif isinstance(value, np.ndarray):
            value = nested(value)
        plain[field.name] = value
    return plain


def nested(array: np.ndarray) -> list:
    """Nested lists of numbers with nine digits, None where not finite."""
    if array.dtype.kind != 'f':
        return array.tolist()
    flat = [
        float(f'{value:.9g}') if np.isfinite(value) else None
        for value in array.ravel().tolist()
    ]
    for length in array.shape[:0:-1]:
        flat = [flat[i : i + length] for i in range(0, len(flat), length)]
    return flat
