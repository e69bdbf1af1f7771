"""A regressed hand, brought closer to the landmarks that were read beside it."""

import math

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_ROTATIONS
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.rotation import matrix_from_axis_angle, sixd_from_matrix
from mmhand_dne.hand_model import build_single_hand
from mmhand_dne.structures.hand_state import CoarseHands, HandState

from .landmark_terms import (
    NUM_PARAMETERS,
    POSE,
    SCALE,
    SHAPE,
    SHIFT,
    TURNS,
    LandmarkTargets,
    LandmarkTerms,
    camera_of,
    landmark_gaps,
)
from .positive_solve import PositiveSolve

FREE = 10.0  # NDC; the standard deviation of a shift that nothing holds


@MODELS.register_module()
class LandmarkRefit(nn.Module):
    """Move a regressed hand as its landmarks ask, as far as the regressor may be wrong.

    A landmark network knows photos, a regressor that learned from renderings knows
    hands in space: the hand that is likeliest under both minimises the landmarks'
    squared distances and the squared change of pose, shape and camera, each in its
    standard deviations. A few damped Gauss-Newton steps find it, always as many, so
    that the part can be exported. Landmarks that lie far from the regressed joints
    are as likely misread and count less (Geman and McClure's weights, of the gaps at
    the start): without that, hands whose landmarks are wrong are torn apart. How far
    is far, and how exact a landmark is, goes by how sure the network is that it sees a
    hand, linearly in presence's logit: it is sure of photos, whose landmarks are
    mostly right, and less so of renderings and hidden hands, where they are not.

    One hand a row; no weights to train, no gradient.

    Args:
        hand_model: :class:`SingleHand` or its config.
        sigma_2d: standard deviation of a landmark, over the longer side of the
            landmarks' box, at the two presences.
        outlier: gap, over the same side, at which a landmark's distance counts half,
            at the two presences.
        presence: up to which the first numbers hold, and from which the second ones do.
        sigma_turn: of the global rotation, radians.
        sigma_pose: of each finger rotation's three numbers, radians.
        sigma_shape: of betas.
        sigma_scale: of the camera's scale, relative.
        steps: Gauss-Newton steps.
        damping: of each, over the matrix' diagonal.

    Example:
        >>> refit = LandmarkRefit(dict(type='SingleHand'))
        >>> closer = refit(coarse)  # a CoarseHands with landmarks_ndc
    """

    def __init__(
        self,
        hand_model: dict | nn.Module,
        sigma_2d: tuple[float, float] = (0.06, 0.03),
        outlier: tuple[float, float] = (0.05, 0.15),
        presence: tuple[float, float] = (0.97, 0.995),
        sigma_turn: float = 0.15,
        sigma_pose: float = 0.3,
        sigma_shape: float = 0.7,
        sigma_scale: float = 0.15,
        steps: int = 4,
        damping: float = 0.1,
    ) -> None:
        super().__init__()
        self.hand_model = build_single_hand(hand_model, 'LandmarkRefit')
        # What weighs a landmark is of the hand, so the terms' own deviation is one.
        self.terms = LandmarkTerms(self.hand_model, 1.0, 1.0, 0.0, 0.0).float()
        sigma = torch.full((NUM_PARAMETERS,), sigma_turn)
        sigma[POSE], sigma[SHAPE] = sigma_pose, sigma_shape
        sigma[SCALE], sigma[SHIFT] = sigma_scale, FREE
        self.register_buffer('holds', sigma**-2, persistent=False)
        self.sigma_2d, self.outlier = sigma_2d, outlier
        self.logits = [math.log(p / (1 - p)) for p in presence]
        self.steps, self.damping = steps, damping
        self.solve = PositiveSolve()

    @torch.no_grad()
    def forward(self, coarse: CoarseHands) -> CoarseHands:
        """The same hands (B, 1, ...) with other states, rotations and betas.

        Raises UserError where the regressor reads no landmarks, or two hands a row.
        """
        if coarse.landmarks_ndc is None or coarse.betas.shape[1] != 1:
            raise UserError(
                'LandmarkRefit needs a regressor of one hand that reads landmarks, '
                'such as MANOTokenHead; leave landmark_refit out'
            )
        with torch.autocast(coarse.betas.device.type, enabled=False):
            rotations = at_least_fp32(coarse.rotations[:, 0])
            start, targets = self.given(coarse, rotations)
            found = start
            for _ in range(self.steps):
                found = found - self.step(found, start, targets)
            return self.moved(coarse, rotations, found)

    def given(
        self, coarse: CoarseHands, rotations: Tensor
    ) -> tuple[Tensor, LandmarkTargets]:
        """Parameters (B, 61) of the regressed hands, see :class:`LandmarkTerms`, and
        what they are to follow.
        """
        camera = at_least_fp32(coarse.state.camera[:, 0])
        points = at_least_fp32(coarse.landmarks_ndc[:, 0])
        turns = torch.zeros_like(rotations[..., 0]).flatten(1)  # on top of rotations
        start = torch.cat(
            [
                turns,
                at_least_fp32(coarse.betas[:, 0]),
                camera[..., 0].mean(1, keepdim=True).log(),
                camera[..., 1],
            ],
            1,
        )
        gaps, size = landmark_gaps(points[:, None], coarse.state)
        weights = self.weights(gaps[:, 0].norm(dim=-1), coarse.presence_logits)
        return start, LandmarkTargets(rotations, points, weights, size[:, 0])

    def weights(self, gaps: Tensor, presence_logits: Tensor) -> Tensor:
        """In inverse standard deviations, (B, 21), of gaps over the box (B, 21).

        Args:
            presence_logits: (B, 1).
        """
        low, high = self.logits
        sure = ((at_least_fp32(presence_logits) - low) / (high - low)).clamp(0, 1)
        sigma, outlier = (
            least + sure * (most - least)
            for least, most in (self.sigma_2d, self.outlier)
        )
        return 1 / (sigma * (1 + (gaps / outlier).square()))

    def step(self, found: Tensor, start: Tensor, targets: LandmarkTargets) -> Tensor:
        """What to take from parameters (B, 61)."""
        motion = self.terms.joints(found, targets.base)
        residuals, slope = self.terms.image(found, motion, targets)
        gradient = (slope.mT @ residuals[..., None])[..., 0]
        gradient = gradient + self.holds * (found - start)
        matrix = slope.mT @ slope + torch.diag(self.holds)
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        return self.solve(matrix + torch.diag_embed(self.damping * diagonal), gradient)

    def moved(
        self, coarse: CoarseHands, rotations: Tensor, found: Tensor
    ) -> CoarseHands:
        """The hands of parameters (B, 61)."""
        turns = matrix_from_axis_angle(
            found[:, :TURNS].unflatten(1, (NUM_ROTATIONS, 3))
        )
        rotations, betas = (turns @ rotations)[:, None], found[:, None, SHAPE]
        mesh = self.hand_model(rotations, betas)
        root = torch.zeros_like(mesh.root)
        state = HandState(mesh.vertices, mesh.joints, root, camera_of(found))
        return coarse._replace(
            state=state,
            rotations=rotations,
            rotations_6d=sixd_from_matrix(rotations),
            betas=betas,
        )
