"""Results as NumPy archives: one array a field, the N hands stacked.

``side`` (N,) text, ``presence`` (N,), ``vertices`` (N, V, 3), ... with the names, units
and frames of :class:`HandResult`; MANO's parameters as ``mano_global_orient`` (N, 3),
``mano_hand_pose`` (N, 45), ``mano_betas`` (N, 10), ``mano_transl`` (N, 3); ``source``,
``index``, ``size``, ``problem``, ``track_ids`` of the picture; ``map_<name>`` (C, h, w)
where auxiliary maps were asked for. What a model does not give is absent. Read it with
``numpy.load(path)``: nothing in it is pickled.
"""

import io
from dataclasses import fields

import numpy as np

from mmhand_dne.structures.hand_result import HandResult, ImageResult


def npz_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file, for pictures without hands too."""
    arrays = dict(
        source=np.array(result.source),
        index=np.array(result.index),
        size=np.array(result.size),
        problem=np.array(result.problem),
        track_ids=np.array(result.track_ids, np.int64),
        side=np.array([hand.side for hand in result.hands], 'U5'),
    )
    if result.hands:
        arrays.update(_stacked(result.hands))
    for name, value in (result.maps or {}).items():
        arrays[f'map_{name}'] = np.asarray(value)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return [('.npz', buffer.getvalue())]


def _stacked(hands: tuple[HandResult, ...]) -> dict[str, np.ndarray]:
    arrays = {}
    for field in fields(HandResult):
        values = [getattr(hand, field.name) for hand in hands]
        if field.name in ('side', 'mano') or any(value is None for value in values):
            continue
        arrays[field.name] = np.stack(values)
    for part in fields(hands[0].mano):
        arrays[f'mano_{part.name}'] = np.stack(
            [getattr(hand.mano, part.name) for hand in hands]
        )
    return arrays
