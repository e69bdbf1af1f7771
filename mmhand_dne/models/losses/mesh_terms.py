"""The terms of Eq. 11 for one estimate of the hands, shared by all stages."""

from torch import Tensor, nn

from mmhand_dne.models.losses.masked_loss import masked_mean
from mmhand_dne.models.losses.mesh_losses import l1_distance
from mmhand_dne.structures.hand_targets import HandTargets


def _against(samples: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L1 of (B, R, ...) samples against a (B, ...) target, mean over valid elements."""
    values = l1_distance(samples, target[:, None].to(samples.dtype).expand_as(samples))
    return masked_mean(values.mean(1), mask)


class MeshTerms(nn.Module):
    """lambda_3D and lambda_2D of Eq. 11, and the same on joints where no mesh is known.

    Eq. 11 sums over samples; here it is their mean, which is the same loss with
    lambda / R, so that the weights do not depend on R and the coarse mesh (one sample)
    weighs as much as a stage [decided]. u* is the truly projected vertices [decided].

    Args:
        lambda_3d: weight of vertices, metres.
        lambda_2d: weight of projected vertices, NDC.
        lambda_joint: factor of both on the joints of hands without a mesh, which the
            paper does not mention; 0 leaves these hands out [decided].
    """

    def __init__(
        self,
        lambda_3d: float = 50.0,
        lambda_2d: float = 3.0,
        lambda_joint: float = 1.0,
    ) -> None:
        super().__init__()
        self.lambda_3d, self.lambda_2d = lambda_3d, lambda_2d
        self.lambda_joint = lambda_joint

    def forward(
        self,
        vertices: Tensor,
        vertices_ndc: Tensor,
        joints: Tensor,
        joints_ndc: Tensor,
        targets: HandTargets,
    ) -> dict[str, Tensor]:
        """Scalars, already weighted.

        Args:
            vertices: (B, R, S, V, 3) metres, root-relative.
            vertices_ndc: (B, R, S, V, 2) their projection, crop NDC.
            joints, joints_ndc: (B, R, S, J, 3) and (B, R, S, J, 2).
            targets: ground truth; a hand counts by its mesh where it has one, else by
                its joints.
        """
        mesh = targets.vertices_valid
        bare = (1 - mesh.to(vertices.dtype))[..., None]
        w3, w2 = self.lambda_3d, self.lambda_2d
        terms = dict(
            loss_vertices=w3 * _against(vertices, targets.vertices, mesh),
            loss_projection=w2 * _against(vertices_ndc, targets.vertices_ndc, mesh),
        )
        if self.lambda_joint:
            w3, w2 = w3 * self.lambda_joint, w2 * self.lambda_joint
            terms.update(
                loss_joints=w3
                * _against(joints, targets.joints, targets.joints_valid * bare),
                loss_joints_2d=w2
                * _against(
                    joints_ndc, targets.joints_ndc, targets.joints_ndc_valid * bare
                ),
            )
        return terms
