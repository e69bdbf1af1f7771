"""What supervises a regressor: its parameters, and its mesh like a stage of DNE."""

from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.rotation import sixd_from_matrix
from mmhand_dne.models.losses.mesh_terms import MeshTerms
from mmhand_dne.structures.hand_state import CoarseHands
from mmhand_dne.structures.hand_targets import HandTargets


class CoarseTerms(nn.Module):
    """DNE Eq. 10 on MANO parameters, and Eq. 11's terms on the coarse mesh.

    Args:
        lambda_theta, lambda_beta: weights of Eq. 10.
        mesh_terms: arguments of :class:`MeshTerms`; the coarse mesh is supervised like
            a stage, with the same weights [decided].
    """

    def __init__(
        self, lambda_theta: float, lambda_beta: float, mesh_terms: dict | None = None
    ) -> None:
        super().__init__()
        self.loss_theta = MODELS.build(
            dict(type='MaskedL1Loss', loss_weight=lambda_theta)
        )
        self.loss_beta = MODELS.build(
            dict(type='MaskedL1Loss', loss_weight=lambda_beta)
        )
        self.mesh_terms = MeshTerms(**(mesh_terms or {}))

    def of_parameters(
        self, coarse: CoarseHands, targets: HandTargets
    ) -> dict[str, Tensor]:
        """``loss_theta`` and ``loss_beta``, weighted."""
        known, target_6d = targets.mano_valid, sixd_from_matrix(targets.rotations)
        return dict(
            loss_theta=self.loss_theta(coarse.rotations_6d, target_6d, known),
            loss_beta=self.loss_beta(coarse.betas, targets.betas, known),
        )

    def of_mesh(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """``coarse.loss_*`` of vertices and joints in space and in the image."""
        state = coarse.state
        terms = self.mesh_terms(
            state.vertices[:, None],
            project(state.vertices, state.camera)[:, None],
            state.joints[:, None],
            project(state.joints, state.camera)[:, None],
            targets,
        )
        return {f'coarse.{name}': value for name, value in terms.items()}
