"""MANO as a module: one hand."""

import numpy as np
import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import (
    HO3D_JOINTS,
    NUM_ROTATIONS,
    OPENPOSE_JOINTS,
    reorder,
    tip_vertices,
)
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
)

from .mano_source import load_hand
from .skinning import HandSkin

OWN, SMPLX = 'own', 'smplx'  # backends


@MODELS.register_module()
class MANOLayer(nn.Module):
    """One MANO hand: absolute joint rotations and shape to vertices.

    Poses are absolute: the zero rotation is the flat hand, and nothing adds the mean
    pose of the file behind the caller's back. :meth:`absolute_pose` makes rotations of
    a file's axis-angle vectors, which may be relative to the mean. Buffers are not
    saved in checkpoints: MANO's licence does not allow to pass them on.

    Args:
        side: 'right' or 'left'.
        source: 'cc0' for the embedded hand, else a MANO file or folder, see
            :func:`load_hand`.
        backend: 'own' for :class:`HandSkin`; 'smplx' for that package's layer, which
            computes the same vertices, to compare with.

    Example:
        >>> layer = MANOLayer(side='left')
        >>> layer(layer.mean_rotations, torch.zeros(10)).shape
        torch.Size([778, 3])
    """

    def __init__(
        self, side: str = 'right', source: str = 'cc0', backend: str = OWN
    ) -> None:
        super().__init__()
        self.side, self.source, self.backend = side, source, backend
        arrays = load_hand(source, side)
        self.layer = _skin(arrays, side, backend)
        faces = _wound_outward(arrays['v_template'], arrays['f'])
        self._keep('faces', torch.from_numpy(faces.astype(np.int64)))
        self._keep('hands_mean', torch.from_numpy(arrays['hands_mean']))
        self._keep('hands_components', torch.from_numpy(arrays['hands_components']))
        flat = torch.zeros(3 * NUM_ROTATIONS)
        self._keep('mean_rotations', self.absolute_pose(flat, mean=True))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @property
    def v_template(self) -> Tensor:
        """(V, 3) metres, the flat hand with betas 0."""
        return self.layer.v_template

    @property
    def J_regressor(self) -> Tensor:
        """(16, V) convex weights, MANO joint order."""
        return self.layer.J_regressor

    @property
    def weights(self) -> Tensor:
        """(V, 16) skinning weights."""
        return self.layer.lbs_weights

    def forward(
        self, rotations: Tensor, betas: Tensor, translation: Tensor | None = None
    ) -> Tensor:
        """Vertices of the posed hand, in the layer's precision (no autocast).

        Args:
            rotations: (..., 16, 3, 3) absolute, MANO joint order, the global one first.
            betas: (..., 10) shape coefficients.
            translation: (..., 3) metres, added to the vertices.
        Returns: (..., V, 3) metres in the MANO frame. The global rotation is about
            the rest wrist J0(betas), which is not the origin.
        """
        vertices, _ = self.posed(rotations, betas)
        return vertices if translation is None else vertices + translation[..., None, :]

    def posed(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (..., V, 3) as :meth:`forward`, and the joints of its chain.

        Returns: the vertices, and (..., 16, 3) metres, the centres of the rotations,
            MANO joint order; see :meth:`joints` for the regressed ones.
        """
        self.check_inputs(rotations, betas)
        with torch.autocast(rotations.device.type, enabled=False):
            return self.layer(*matched(rotations, betas, self.v_template.dtype))

    def check_inputs(self, rotations: Tensor, betas: Tensor) -> None:
        """Refuse what is no pose or no shape of this hand.

        Raises: UserError with the shape found and the one expected.
        """
        if rotations.shape[-3:] != (NUM_ROTATIONS, 3, 3):
            raise UserError(
                f'rotations have shape {tuple(rotations.shape)}, expected '
                '(..., 16, 3, 3); make them of axis-angle with absolute_pose()'
            )
        if betas.shape[-1:] != (self.layer.num_betas,):
            raise UserError(
                f'betas have shape {tuple(betas.shape)}, expected '
                f'(..., {self.layer.num_betas}); pad missing ones with zeros'
            )

    def absolute_pose(self, axis_angle: Tensor, *, mean: bool) -> Tensor:
        """Absolute rotations of a file's pose.

        Args:
            axis_angle: (..., 48) radians, the global rotation first.
            mean: True when the pose is relative to the mean (``flat_hand_mean=False``:
                InterHand2.6M, FreiHAND), False when it is absolute already (HO3D).
        Returns: (..., 16, 3, 3).
        """
        if axis_angle.shape[-1:] != (3 * NUM_ROTATIONS,):
            raise UserError(
                f'pose has shape {tuple(axis_angle.shape)}, expected (..., 48); put '
                'the three numbers of the global rotation before the 45 of the fingers'
            )
        if mean:
            axis_angle = axis_angle + self._mean_pose(axis_angle)
        return matrix_from_axis_angle(axis_angle.unflatten(-1, (NUM_ROTATIONS, 3)))

    def axis_angle_pose(self, rotations: Tensor, *, mean: bool) -> Tensor:
        """Inverse of :meth:`absolute_pose`: (..., 16, 3, 3) -> (..., 48) radians."""
        axis_angle = axis_angle_from_matrix(rotations).flatten(-2)
        return axis_angle - self._mean_pose(axis_angle) if mean else axis_angle

    def _mean_pose(self, like: Tensor) -> Tensor:
        return torch.cat([self.hands_mean.new_zeros(3), self.hands_mean]).to(like)

    def pca_pose(self, coefficients: Tensor) -> Tensor:
        """Finger pose of principal components, *relative to the mean pose*.

        Args:
            coefficients: (..., K) with K at most 45.
        Returns: (..., 45) radians, to go through ``absolute_pose(..., mean=True)``.
        """
        components = self.hands_components[: coefficients.shape[-1]]
        if coefficients.shape[-1] != len(components):
            raise UserError(
                f'pose has {coefficients.shape[-1]} components, expected at most 45; '
                'is it axis-angle with the global rotation included?'
            )
        return coefficients @ components.to(coefficients)

    def joint_regressor(self, tips: str = 'interhand') -> Tensor:
        """Regressor of 21 joints from vertices, (21, V), OpenPose order.

        Args:
            tips: name of the fingertip vertices, see ``TIP_VERTICES``.
        """
        indices = torch.tensor(tip_vertices(tips), device=self.faces.device)
        if indices.max() >= len(self.v_template):
            raise UserError(
                f'the hand model has {len(self.v_template)} vertices, too few for the '
                f'fingertips {tips!r} of a MANO hand of 778; give a MANO file, or '
                "source='cc0'"
            )
        one_hot = nn.functional.one_hot(indices, len(self.v_template))
        rows = torch.cat([self.J_regressor, one_hot.to(self.J_regressor)])
        return rows[reorder(src=HO3D_JOINTS, dst=OPENPOSE_JOINTS)]

    def joints(self, vertices: Tensor, tips: str = 'interhand') -> Tensor:
        """Joints regressed from the posed mesh, (..., V, 3) -> (..., 21, 3) OpenPose.

        Regressed joints are what InterHand2.6M, FreiHAND and MANO-based metrics use;
        they differ from the positions of the kinematic chain.
        """
        return self.joint_regressor(tips).to(vertices) @ vertices


def matched(
    rotations: Tensor, betas: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """(..., 16, 3, 3) and (..., 10) in that type, with the same leading dimensions."""
    pose, shape = (at_least_fp32(value).to(dtype) for value in (rotations, betas))
    if pose.shape[:-3] != shape.shape[:-1]:
        lead = torch.broadcast_shapes(pose.shape[:-3], shape.shape[:-1])
        pose = pose.expand(*lead, *pose.shape[-3:])
        shape = shape.expand(*lead, *shape.shape[-1:])
    return pose, shape


def _skin(arrays: dict[str, np.ndarray], side: str, backend: str) -> nn.Module:
    """The module that skins these arrays.

    Raises:
        UserError: no such backend, or smplx is not installed.
    """
    if backend == OWN:
        return HandSkin(arrays)
    if backend != SMPLX:
        raise UserError(
            f'hand_model.backend is {backend!r}, expected {OWN!r} or {SMPLX!r}'
        )
    try:
        from .smplx_skin import SmplxSkin
    except ImportError as error:
        raise UserError(
            f"hand_model.backend='smplx' needs the package smplx ({error}); run pip "
            'install smplx if its licence, for non-commercial research, allows your '
            "use, or set backend='own', which computes the same vertices"
        ) from error
    return SmplxSkin(arrays, side)


def _wound_outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces whose normals point out of the hand (positive enclosed volume)."""
    corners = (vertices - vertices.mean(0))[faces]
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum()
    return faces if volume > 0 else np.ascontiguousarray(faces[:, ::-1])
