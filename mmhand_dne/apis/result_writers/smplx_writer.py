"""Parameters for smplx, one file a hand: a pickled dictionary of plain arrays.

Keys: ``global_orient`` (1, 3), ``hand_pose`` (1, 45), ``betas`` (1, 10), ``transl``
(1, 3), float32; the pose once more as ``right_hand_pose`` or ``left_hand_pose`` (1, 45)
for SMPL-X; ``is_rhand``, ``flat_hand_mean`` (always True: the mean pose is contained)
and ``use_pca`` (always False) are the arguments that the layer has to be built with::

    hand = pickle.load(open('photo_right_hand.smplx.pkl', 'rb'))
    layer = smplx.create('MANO_RIGHT.pkl', 'mano', is_rhand=hand['is_rhand'],
                         flat_hand_mean=True, use_pca=False)
    names = 'global_orient', 'hand_pose', 'betas', 'transl'
    layer(**{name: torch.from_numpy(hand[name]) for name in names}).vertices

gives the regressed mesh in camera metres (x right, y down, z forward). ``betas`` are
MANO's; SMPL-X's are a body's. This package only writes such files and never reads one:
unpickling executes what a file asks for, so load only files that you wrote.
"""

import pickle

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult

from .viewer_scene import scene_of

PROTOCOL = 4  # read by every Python 3 in use


def smplx_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file a hand; none without hands."""
    files = []
    for hand, shape in zip(result.hands, scene_of(result)):
        arrays = {
            name: np.asarray(getattr(hand.mano, name), np.float32)[None].copy()
            for name in ('global_orient', 'hand_pose', 'betas', 'transl')
        }
        arrays[f'{hand.side}_hand_pose'] = arrays['hand_pose']
        arrays.update(is_rhand=hand.side == 'right', flat_hand_mean=True, use_pca=False)
        files.append(
            (f'_{shape.name}.smplx.pkl', pickle.dumps(arrays, protocol=PROTOCOL))
        )
    return files
