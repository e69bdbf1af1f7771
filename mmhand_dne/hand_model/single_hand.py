"""One hand slot of a sample, for models that read one hand per image."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import (
    OPENPOSE_FROM_HO3D,
    WRIST,
    tip_vertices,
)
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import at_least_fp32

from .hand_pair import HandMesh
from .mano_layer import MANOLayer


@MODELS.register_module()
class SingleHand(nn.Module):
    """The right hand alone, with the interface of :class:`HandPair` for S = 1 slot.

    Args:
        source: 'cc0' for the embedded hand, else a MANO file or folder, see
            :func:`load_hand`.
        tips: name of the fingertip vertices, see ``TIP_VERTICES``; HaMeR's are
            'smplx'.
        joints: 'regressed' from the posed mesh, as data sets define them, or
            'kinematic': the centres of the rotations, as HaMeR's weights were trained.
        backend: what skins the mesh, see :class:`MANOLayer`.

    Attributes: those of :class:`HandPair` with 1 in place of 2; ``right`` is the layer.

    Example:
        >>> hand = SingleHand(tips='smplx', joints='kinematic')
        >>> mesh = hand(hand.mean_rotations[None], torch.zeros(1, 1, 10))
        >>> mesh.vertices.shape, mesh.joints.shape
        (torch.Size([1, 1, 778, 3]), torch.Size([1, 1, 21, 3]))
    """

    def __init__(
        self,
        source: str = 'cc0',
        tips: str = 'interhand',
        joints: str = 'regressed',
        backend: str = 'own',
    ) -> None:
        super().__init__()
        if joints not in ('regressed', 'kinematic'):
            raise UserError(
                f"SingleHand: joints={joints!r}, expected 'regressed' or 'kinematic'"
            )
        self.tips, self.kinematic = tips, joints == 'kinematic'
        self.right = MANOLayer('right', source, backend)
        self.register_buffer('tip_indices', torch.tensor(tip_vertices(tips)), False)
        self._keep('faces', self.right.faces)
        self._keep('joint_regressor', self.right.joint_regressor(tips))
        self._keep('mean_rotations', self.right.mean_rotations)
        betas = torch.zeros(1, 1, self.right.layer.num_betas)
        self._keep('template', self(self.mean_rotations[None], betas).vertices[0, 0])

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value[None], persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> HandMesh:
        """Mesh and joints of the slot, in the hand's precision (no autocast).

        Args:
            rotations: (B, 1, 16, 3, 3) absolute, MANO joint order, global one first.
            betas: (B, 1, 10).
        """
        vertices, chain = self.right.posed(rotations, betas)
        if self.kinematic:
            joints = torch.cat([chain, vertices[..., self.tip_indices, :]], -2)
            joints = joints[..., OPENPOSE_FROM_HO3D, :]
        else:
            joints = self.regress_joints(vertices)
        root = joints[..., WRIST, :]
        origin = root[..., None, :]
        return HandMesh(vertices - origin, joints - origin, root)

    def regress_joints(self, vertices: Tensor) -> Tensor:
        """Regressed joints of given meshes, (B, 1, V, 3) -> (B, 1, 21, 3), OpenPose.

        The chain's joints cannot be told from a mesh alone.
        """
        with torch.autocast(vertices.device.type, enabled=False):
            vertices = at_least_fp32(vertices)
            return self.joint_regressor.to(vertices) @ vertices
