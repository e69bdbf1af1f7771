"""From landmarks to a mesh, by damped least squares on the hand model."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS, NUM_ROTATIONS
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.least_squares import LeastSquares, damped_least_squares
from mmhand_dne.geometry.rotation import matrix_from_axis_angle, sixd_from_matrix
from mmhand_dne.hand_model import build_single_hand
from mmhand_dne.structures.hand_state import CoarseHands, HandState

from .landmark_starts import Starts, start_of_world, starts_all_around
from .landmark_terms import (
    BONE_ENDS,
    BONE_STARTS,
    SHAPE,
    TURNS,
    LandmarkTargets,
    LandmarkTerms,
    bone_directions,
    camera_of,
    extent,
)


@MODELS.register_module()
class LandmarkFit(nn.Module):
    """Fit pose, shape and a scaled orthographic camera to the landmarks of hands.

    Whatever finds 21 landmarks becomes a mesh model: the result is what a regressor
    yields. It has no weights to train and passes no gradient. All hands of a batch are
    fitted at once, in float64. The mesh's own joints follow the landmarks: regressed
    ones differ from the kinematic chain's by 2 to 8 mm.

    From landmarks of the image alone the fit begins at the views of an open and a half
    closed hand that look most like them, goes on from the best few, and keeps the
    best; along the line of sight the pose's prior decides. Landmarks in space add the
    directions of their bones, and the palm tells where to begin.

    Args:
        hand_model: :class:`SingleHand` or its config; landmarks of a left hand are
            those of its mirror image.
        sigma_2d: standard deviation of a landmark, over the longer side of the
            landmarks' box.
        sigma_3d: of a bone's direction, radians.
        pose_weight, shape_weight: of the priors, see :class:`LandmarkTerms`. Less
            than 1 suits landmarks in space; for noisy ones of the image alone 1 keeps
            hands from turning their backs.
        num_views: directions from which each hand is looked at.
        num_starts: of these, where fits begin.
        first_steps: of each of them, before the best ``num_finalists`` go on.
        steps: of those, at most.
        tolerance: relative decrease at which a fit is done.

    Example:
        >>> fit = LandmarkFit(dict(type='SingleHand'))
        >>> points = 6 * fit.hand_model(fit.hand_model.mean_rotations[None],
        ...                             torch.zeros(1, 1, 10)).joints[:, 0, :, :2]
        >>> fit(points).state.vertices.shape
        torch.Size([1, 1, 778, 3])
    """

    def __init__(
        self,
        hand_model: dict | nn.Module,
        sigma_2d: float = 0.02,
        sigma_3d: float = 0.2,
        pose_weight: float = 0.35,
        shape_weight: float = 0.5,
        num_views: int = 32,
        num_starts: int = 8,
        first_steps: int = 6,
        num_finalists: int = 2,
        steps: int = 30,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__()
        self.hand_model = build_single_hand(hand_model, 'LandmarkFit')
        self.terms = LandmarkTerms(
            self.hand_model, sigma_2d, sigma_3d, pose_weight, shape_weight
        )
        self.num_views, self.num_starts = num_views, num_starts
        self.first_steps, self.num_finalists = first_steps, num_finalists
        self.steps, self.tolerance = steps, tolerance

    @torch.no_grad()
    def forward(
        self,
        points: Tensor,
        weights: Tensor | None = None,
        world: Tensor | None = None,
    ) -> CoarseHands:
        """Fit B hands.

        Args:
            points: (B, 21, 2) crop NDC, OpenPose order.
            weights: (B, 21) >= 0, inverse standard deviations relative to the usual
                one: 0 is not seen. None: all 1. Points that are not finite weigh 0.
            world: (B, 21, 3) landmarks in space, camera axes (x right, y down, z
                away), any unit and origin, or None.
        """
        check_landmarks(points, weights, world)
        dtype = self.terms.mean_pose.dtype
        points = points.to(dtype)
        weights = torch.ones_like(points[..., 0]) if weights is None else weights
        seen = points.isfinite().all(-1)
        weights = torch.where(seen & weights.isfinite(), weights, 0).to(dtype)
        points = torch.where(seen[..., None], points, 0)
        size = extent(points, weights > 0)
        if world is None:
            starts = starts_all_around(
                self.terms, points, weights, self.num_views, self.num_starts
            )
            bones = None, None
        else:
            world = world.to(dtype)
            starts = start_of_world(self.terms, points, weights, world)
            bones = bone_directions(world), bone_weights(world, weights)
        base, fitted = self.descend(starts, points, weights, size, *bones)
        return self.hands(base, fitted)

    def descend(self, starts: Starts, *given: Tensor | None) -> tuple[Tensor, Tensor]:
        """From the starts to the best fit of each hand.

        Args:
            given: fields of :class:`LandmarkTargets` after the first, (B, ...) each.
        Returns: ``base`` (B, 3, 3) and the parameters (B, 61) on top of it.
        """
        if starts.base.shape[1] > self.num_finalists:
            found = self.solve(starts, given, self.first_steps)
            starts = best_of(starts, found, self.num_finalists)
        starts = best_of(starts, self.solve(starts, given, self.steps), 1)
        return starts.base[:, 0], starts.parameters[:, 0]

    def solve(
        self, starts: Starts, given: tuple[Tensor | None, ...], steps: int
    ) -> LeastSquares:
        """The fits from all starts, (B * K)."""
        count = starts.base.shape[1]
        targets = LandmarkTargets(
            starts.base.flatten(0, 1),
            *(x if x is None else x.repeat_interleave(count, 0) for x in given),
        )
        return damped_least_squares(
            lambda parameters: self.terms(parameters, targets),
            starts.parameters.flatten(0, 1),
            steps=steps,
            tolerance=self.tolerance,
        )

    def hands(self, base: Tensor, parameters: Tensor) -> CoarseHands:
        """The hands of parameters (B, 61), in the hand model's precision."""
        vectors = parameters[:, :TURNS].unflatten(1, (NUM_ROTATIONS, 3))
        rotations = matrix_from_axis_angle(vectors)
        rotations[:, 0] = rotations[:, 0] @ base
        like = self.hand_model.template
        rotations = rotations[:, None].to(like)
        betas = parameters[:, None, SHAPE].to(like)
        mesh = self.hand_model(rotations, betas)
        camera = camera_of(parameters).to(like)
        return CoarseHands(
            HandState(mesh.vertices, mesh.joints, mesh.root, camera),
            sixd_from_matrix(rotations),
            rotations,
            betas,
            presence_logits=torch.full_like(betas[..., 0], torch.inf),
            pooled=betas[..., :0],  # there are no features
        )


def best_of(starts: Starts, found: LeastSquares, keep: int) -> Starts:
    """The cheapest ``keep`` of each hand's fits, as places to go on from."""
    batch, count = starts.base.shape[:2]
    cost = found.cost.unflatten(0, (batch, count))
    _, chosen = cost.topk(keep, largest=False)
    row = torch.arange(batch, device=chosen.device)[:, None]
    parameters = found.parameters.unflatten(0, (batch, count))
    return Starts(starts.base[row, chosen], parameters[row, chosen])


def bone_weights(world: Tensor, weights: Tensor) -> Tensor:
    """(B, 20) of the bones: of the worse end, and 0 where there is no bone."""
    worse = torch.minimum(weights[:, BONE_STARTS], weights[:, BONE_ENDS])
    return worse * bone_directions(world).any(-1)


def check_landmarks(
    points: Tensor, weights: Tensor | None, world: Tensor | None
) -> None:
    """Refuse landmarks of other shapes.

    Raises:
        ValueError: names the argument.
    """
    batch = len(points)
    wanted = dict(
        points=(points, (batch, NUM_JOINTS, 2)),
        weights=(weights, (batch, NUM_JOINTS)),
        world=(world, (batch, NUM_JOINTS, 3)),
    )
    for name, (value, shape) in wanted.items():
        if value is not None and value.shape != shape:
            raise UserError(
                f'LandmarkFit: {name} have shape {tuple(value.shape)}, expected '
                f'{shape}; give the 21 landmarks in OpenPose order'
            )
