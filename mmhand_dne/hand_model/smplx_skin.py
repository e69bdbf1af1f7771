"""smplx's layer in the place of our own skinning, to compare the two.

Nothing else needs smplx. Its licence allows non-commercial research only, so this file
alone imports it, and is imported when ``backend='smplx'`` asks for it.
"""

import numpy as np
import smplx
from smplx.utils import Struct
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_ROTATIONS

from .mano_file import MANO_SHAPES


class SmplxSkin(smplx.MANOLayer):
    """smplx's layer with the interface of :class:`HandSkin`; nothing of it is saved.

    smplx expects 300 shape directions, as of bodies, and prints a warning about every
    hand; catching that would redirect ``sys.stdout``, which threads share.

    Args:
        arrays: what :func:`read_mano` returns.
        side: 'right' or 'left'.
    """

    SHAPE_SPACE_DIM = 10

    def __init__(self, arrays: dict[str, np.ndarray], side: str) -> None:
        super().__init__(
            '',
            is_rhand=side == 'right',
            data_struct=Struct(**{name: arrays[name] for name in MANO_SHAPES}),
            create_body_pose=False,  # a stray parameter of smplx's base class
        )
        for module in self.modules():
            for name, value in list(module.named_buffers(recurse=False)):
                delattr(module, name)
                nn.Module.register_buffer(module, name, value, persistent=False)
        # smplx indexes a Python list with each parent; on the GPU that would wait for
        # the device fifteen times a call, so the parents stay on the CPU.
        parents = self.parents
        del self.parents
        self.parents = parents

    def forward(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`HandSkin.forward`."""
        lead = rotations.shape[:-3]
        if 0 in lead:  # smplx cannot pose no hands
            nothing = 0 * (rotations.sum() + betas.sum())
            shapes = ((*lead, len(self.v_template), 3), (*lead, NUM_ROTATIONS, 3))
            return tuple(nothing.expand(shape) for shape in shapes)
        pose = rotations.reshape(-1, NUM_ROTATIONS, 3, 3)
        posed = super().forward(
            betas=betas.reshape(-1, betas.shape[-1]),
            global_orient=pose[:, :1],
            hand_pose=pose[:, 1:],
        )
        return (
            posed.vertices.reshape(*lead, -1, 3),
            posed.joints.reshape(*lead, NUM_ROTATIONS, 3),
        )
