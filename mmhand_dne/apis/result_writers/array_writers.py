"""Results as named arrays: NumPy archives, and parameters for smplx."""

import io
import pickle
from dataclasses import fields

import numpy as np

from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .viewer_scene import scene_of

LEFT_NOTE = (
    'betas are for shape directions that are those of the right hand, mirrored; '
    'MANO_LEFT.pkl as released has x not mirrored: layer.shapedirs[:, 0] *= -1'
)
PROTOCOL = 4  # of pickle, read by every Python 3 in use


def npz_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One NumPy archive, also for an image without hands: an array per field.

    ``side`` (N,) text, ``presence`` (N,), ``vertices`` (N, V, 3), ... with the names,
    units and frames of :class:`HandResult`, the N hands stacked; MANO's parameters as
    ``mano_global_orient`` (N, 3), ``mano_hand_pose`` (N, 45), ``mano_betas`` (N, 10),
    ``mano_transl`` (N, 3); ``source``, ``index``, ``size``, ``problem``, ``track_ids``
    of the image; ``map_<name>`` (C, h, w) where auxiliary maps were asked for. What a
    model does not give is absent. Read it with ``numpy.load(path)``: nothing in it is
    pickled.
    """
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


def smplx_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file per hand, none without hands: a pickled dictionary of plain arrays.

    Keys: ``global_orient`` (1, 3), ``hand_pose`` (1, 45), ``betas`` (1, 10), ``transl``
    (1, 3), float32; the pose once more as ``right_hand_pose`` or ``left_hand_pose``
    (1, 45) for SMPL-X; ``is_rhand``, ``flat_hand_mean`` (always True: the mean pose is
    contained) and ``use_pca`` (always False) are the arguments that the layer has to be
    built with::

        hand = pickle.load(open('photo_right_hand.smplx.pkl', 'rb'))
        layer = smplx.create('MANO_RIGHT.pkl', 'mano', is_rhand=hand['is_rhand'],
                             flat_hand_mean=True, use_pca=False)
        names = 'global_orient', 'hand_pose', 'betas', 'transl'
        layer(**{name: torch.from_numpy(hand[name]) for name in names}).vertices

    gives the regressed mesh in camera metres (x right, y down, z forward). ``betas``
    are MANO's; SMPL-X's are a body's.

    Betas of a left hand belong to shape directions that are the right hand's, mirrored.
    Those of ``MANO_LEFT.pkl`` as it is released are not, so that such a layer's meshes
    are millimetres off; its files have ``mirrored_shapedirs`` True and say so in
    ``note``, and a layer becomes right by ::

        if hand['mirrored_shapedirs']:
            right = smplx.create('MANO_RIGHT.pkl', 'mano', is_rhand=True)
            if (layer.shapedirs[:, 0] - right.shapedirs[:, 0]).abs().sum() < 1:
                layer.shapedirs[:, 0] *= -1

    This package only writes such files and never
    reads one: unpickling executes what a file asks for, so load only files that you
    wrote.
    """
    files = []
    for hand, shape in zip(result.hands, scene_of(result)):
        arrays = {
            name: np.asarray(getattr(hand.mano, name), np.float32)[None].copy()
            for name in ('global_orient', 'hand_pose', 'betas', 'transl')
        }
        arrays[f'{hand.side}_hand_pose'] = arrays['hand_pose']
        arrays.update(is_rhand=hand.side == 'right', flat_hand_mean=True, use_pca=False)
        arrays.update(mirrored_shapedirs=hand.side == 'left')
        if hand.side == 'left':
            arrays.update(note=LEFT_NOTE)
        files.append(
            (f'_{shape.name}.smplx.pkl', pickle.dumps(arrays, protocol=PROTOCOL))
        )
    return files
