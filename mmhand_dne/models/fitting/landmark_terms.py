"""What a hand is fitted to: its landmarks in the image, bone directions, a prior.

Everything is a residual in standard deviations, with its Jacobian.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmhand_dne.conventions import (
    NUM_BETAS,
    NUM_JOINTS,
    NUM_ROTATIONS,
    OPENPOSE_JOINTS,
    WRIST,
)
from mmhand_dne.geometry.camera import project
from mmhand_dne.hand_model import SingleHand, load_cc0_hand
from mmhand_dne.hand_model.joint_motion import JointMotion, MovedJoints
from mmhand_dne.structures.hand_state import HandState

TURNS = 3 * NUM_ROTATIONS
POSE = slice(3, TURNS)  # of the parameters: the fingers' axis-angle
SHAPE = slice(TURNS, TURNS + NUM_BETAS)
SCALE = TURNS + NUM_BETAS  # logarithm of NDC per metre
SHIFT = slice(SCALE + 1, SCALE + 3)  # NDC
NUM_PARAMETERS = SCALE + 3
HAND = slice(0, SCALE)  # what moves the joints
# A bone ends at each joint but the wrist and begins at the joint before it.
BONE_ENDS = [i for i in range(NUM_JOINTS) if i != WRIST]
BONE_STARTS = [WRIST if OPENPOSE_JOINTS[i][-1] == '1' else i - 1 for i in BONE_ENDS]
MIN_BONE = 1e-6  # metres; a shorter one has no direction
MIN_SIZE = 1e-3  # NDC; landmarks that all lie on one point


class LandmarkTargets(NamedTuple):
    """What B hands are fitted to; the right hands of the images, or mirrored left ones.

    Attributes:
        base: (B, 3, 3) the global rotation at zero parameters, or (B, 16, 3, 3) all
        rotations there, the fingers' then on top of it too.
        points: (B, 21, 2) crop NDC, OpenPose order; finite.
        weights: (B, 21) >= 0, in inverse standard deviations.
        size: (B,) NDC that the standard deviation of the points is a share of.
        directions: (B, 20, 3) unit vectors along the bones, camera axes, or None.
        bone_weights: (B, 20), or None.
    """

    base: Tensor
    points: Tensor
    weights: Tensor
    size: Tensor
    directions: Tensor | None = None
    bone_weights: Tensor | None = None


def extent(points: Tensor, seen: Tensor | None = None) -> Tensor:
    """(...) the longer side of the box of points (..., 21, 2), those of ``seen``
    (..., 21) only if given; at least ``MIN_SIZE``.
    """
    low = high = points
    if seen is not None:
        low = torch.where(seen[..., None], points, torch.inf)
        high = torch.where(seen[..., None], points, -torch.inf)
    return (high.amax(-2) - low.amin(-2)).amax(-1).clamp(min=MIN_SIZE)


def landmark_gaps(landmarks: Tensor, state: HandState) -> tuple[Tensor, Tensor]:
    """From where joints are seen to their landmarks.

    Args:
        landmarks: (B, S, 21, 2) crop NDC.
        state: the hands.
    Returns: (B, S, 21, 2) over the longer side of the landmarks' box, and that (B, S).
    """
    size = extent(landmarks)
    seen = project(state.joints, state.camera)
    return (landmarks - seen) / size[..., None, None], size


def camera_of(parameters: Tensor) -> Tensor:
    """(B, 1, 2, 2) rows (scale, shift) of parameters (B, 61)."""
    scale = parameters[:, SCALE, None].exp().expand(-1, 2)
    return torch.stack([scale, parameters[:, SHIFT]], -1)[:, None]


def bone_directions(joints: Tensor) -> Tensor:
    """(..., 21, 3) any unit -> (..., 20, 3) of length 1; 0 where there is no bone."""
    bones = joints[..., BONE_ENDS, :] - joints[..., BONE_STARTS, :]
    return bones / bones.norm(dim=-1, keepdim=True).clamp(min=MIN_BONE)


class LandmarkTerms(nn.Module):
    """Residuals of a hand and a camera, for :func:`damped_least_squares`.

    Parameters are a row of 61: axis-angle of the global rotation on top of ``base``
    and of the 15 finger joints (absolute), 10 betas, log scale and shift of a camera
    that sees the joints from the wrist, crop NDC.

    Args:
        hand_model: whose joints follow the landmarks.
        sigma_2d: standard deviation of a landmark of weight 1, over the size.
        sigma_3d: of a bone's direction, radians.
        pose_weight: of the finger pose's prior, whose standard deviations are those
            of the embedded hand's pose components, about the model's own mean pose.
            MANO's files have no such deviations, so all hands share them [decided].
        shape_weight: of betas, which are of standard deviation 1.
    """

    def __init__(
        self,
        hand_model: SingleHand,
        sigma_2d: float,
        sigma_3d: float,
        pose_weight: float,
        shape_weight: float,
    ) -> None:
        super().__init__()
        self.motion = JointMotion(hand_model)
        self.sigma_2d, self.sigma_3d = sigma_2d, sigma_3d
        mean = hand_model.right.hands_mean.double()
        self.register_buffer('mean_pose', mean, persistent=False)
        components, std = pose_components()
        self.register_buffer('bend', std[0] * components[0], persistent=False)
        prior = torch.zeros(len(std) + NUM_BETAS, NUM_PARAMETERS).double()
        prior[: len(std), POSE] = pose_weight * components / std[:, None]
        prior[len(std) :, SHAPE] = shape_weight * torch.eye(NUM_BETAS)
        self.register_buffer('prior', prior, persistent=False)

    def joints(self, parameters: Tensor, base: Tensor) -> MovedJoints:
        """Joints (B, 21, 3) of parameters (B, 61), metres, and their Jacobian."""
        vectors = parameters[:, :TURNS].unflatten(1, (NUM_ROTATIONS, 3))
        return self.motion(base, vectors, parameters[:, SHAPE])

    def rest_joints(self, poses: Tensor) -> Tensor:
        """Joints (Q, 21, 3) of finger poses (Q, 45), mean shape, no global rotation."""
        parameters = poses.new_zeros(len(poses), NUM_PARAMETERS)
        parameters[:, POSE] = poses
        return self.joints(parameters, torch.eye(3).to(poses).expand(len(poses), 3, 3))[
            0
        ]

    def forward(
        self, parameters: Tensor, targets: LandmarkTargets
    ) -> tuple[Tensor, Tensor]:
        """Residuals (B, N) and their Jacobian (B, N, 61)."""
        moved = self.joints(parameters, targets.base)
        terms = [self.image(parameters, moved, targets), self._prior(parameters)]
        if targets.directions is not None:
            terms.append(self._bones(moved, targets))
        residuals, jacobians = zip(*terms)
        return torch.cat(residuals, 1), torch.cat(jacobians, 1)

    def image(
        self, parameters: Tensor, moved: MovedJoints, targets: LandmarkTargets
    ) -> tuple[Tensor, Tensor]:
        """Where the joints are seen, against the landmarks: (B, 42) and its Jacobian
        (B, 42, 61) by parameters that moved them to ``moved``.
        """
        scale = parameters[:, SCALE, None, None].exp()
        seen = scale * moved.joints[..., :2]
        gap = seen + parameters[:, None, SHIFT] - targets.points
        slope = gap.new_zeros(*gap.shape, NUM_PARAMETERS)
        slope[..., HAND] = scale[..., None] * moved.jacobian[:, :, :2]
        slope[..., SCALE] = seen
        slope[..., SHIFT] = torch.eye(2).to(gap)
        weights = targets.weights / (self.sigma_2d * targets.size[:, None])
        return (
            (weights[..., None] * gap).flatten(1),
            (weights[..., None, None] * slope).flatten(1, 2),
        )

    def _bones(
        self, moved: MovedJoints, targets: LandmarkTargets
    ) -> tuple[Tensor, Tensor]:
        """Which way the bones point, against the directions given."""
        bones = moved.joints[:, BONE_ENDS] - moved.joints[:, BONE_STARTS]
        length = bones.norm(dim=-1, keepdim=True).clamp(min=MIN_BONE)
        along = bones / length
        slope = moved.jacobian[:, BONE_ENDS] - moved.jacobian[:, BONE_STARTS]
        across = slope - along[..., None] * (along[..., None, :] @ slope)
        weights = targets.bone_weights[..., None] / self.sigma_3d
        residuals = (weights * (along - targets.directions)).flatten(1)
        jacobian = ((weights / length)[..., None] * across).flatten(1, 2)
        still = jacobian.new_zeros(*jacobian.shape[:2], NUM_PARAMETERS - SCALE)
        return residuals, torch.cat([jacobian, still], -1)

    def _prior(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """How unusual pose and shape are."""
        centred = parameters.clone()
        centred[:, POSE] -= self.mean_pose
        return centred @ self.prior.mT, self.prior.expand(len(parameters), -1, -1)


def pose_components() -> tuple[Tensor, Tensor]:
    """Of the embedded hand's finger poses: components (45, 45), rows, and their
    standard deviations (45,) in radians, the largest first.
    """
    arrays = load_cc0_hand()
    return tuple(
        torch.from_numpy(arrays[name]).double()
        for name in ('hands_components', 'hands_std')
    )
