"""The two networks that find hands as functions of bytes, rules of squares included."""

import torch
from torch import Tensor, nn

from mmhand_dne.conventions import WRIST
from mmhand_dne.geometry.hand_rois import (
    INDEX,
    LANDMARK_SCALE,
    LANDMARK_SHIFT,
    MIDDLE,
    RING,
    STEADY,
)
from mmhand_dne.models.detectors import HandLandmarker, PalmDetector
from mmhand_dne.models.detectors.hand_landmarker import SIZE
from mmhand_dne.models.detectors.palm_detector import STRIDES

POINTS = 9  # of an anchor: centre and extent of the palm's box, seven points


class PalmNetwork(nn.Module):
    """What is exported of a :class:`PalmDetector`: bytes to boxes, before suppression.

    Example:
        >>> found = PalmNetwork(PalmDetector())(torch.zeros(1, 192, 192, 3).byte())
        >>> found['boxes'].shape
        torch.Size([1, 2016, 9, 2])
    """

    def __init__(self, detector: PalmDetector) -> None:
        super().__init__()
        self.net = detector.net

    def forward(self, squares: Tensor) -> dict[str, Tensor]:
        """Images in squares to what each anchor says.

        Args:
            squares: (N, side, side, 3) uint8 RGB, side a multiple of 32.
        Returns:
            scores: (N, A) in [0, 1].
            boxes: (N, A, 9, 2) first and last corner and seven points, pixels from the
                square's edge.
        """
        boxes, logits = self.net(squares.permute(0, 3, 1, 2).float() / 255)
        pairs = boxes.unflatten(-1, (POINTS, 2))
        anchor = anchors_of(squares.shape[1])[:, None]
        centre, half = pairs[..., :1, :] + anchor, pairs[..., 1:2, :] / 2
        points = [centre - half, centre + half, pairs[..., 2:, :] + anchor]
        return dict(scores=logits.sigmoid(), boxes=torch.cat(points, -2))


def anchors_of(side: int) -> Tensor:
    """(A, 2) as of :func:`palm_detector.anchors`; an export leaves the side open."""
    parts = []
    for stride, count in STRIDES:
        centres = (torch.arange(side // stride) + 0.5) * stride
        y, x = torch.meshgrid(centres, centres, indexing='ij')
        grid = torch.stack([x, y], -1).reshape(-1, 1, 2)
        parts.append(grid.expand(-1, count, -1).reshape(-1, 2))
    return torch.cat(parts)


class LandmarkNetwork(nn.Module):
    """What is exported of a :class:`HandLandmarker`: crops to landmarks in images.

    Example:
        >>> network = LandmarkNetwork(HandLandmarker())
        >>> crops, squares = torch.zeros(1, 224, 224, 3).byte(), torch.ones(1, 4)
        >>> network(crops, squares)['points'].shape
        torch.Size([1, 21, 2])
    """

    def __init__(self, landmarker: HandLandmarker) -> None:
        super().__init__()
        self.landmarker = landmarker

    def forward(self, crops: Tensor, squares: Tensor) -> dict[str, Tensor]:
        """The fields of ``LandmarkedHand``, and where to read again.

        Args:
            crops: (N, 224, 224, 3) uint8 RGB.
            squares: (N, 4) what they show of an image: centre x and y, side, pixels;
                angle, radians clockwise.
        Returns:
            points (N, 21, 2) and depth (N, 21), pixels of the image; world (N, 21, 3)
            metres, in the image's axes; presence and right (N,); square (N, 4) about
            the landmarks.
        """
        read = self.landmarker(crops.permute(0, 3, 1, 2).float() / 255)
        centre, side, angle = squares.split([2, 1, 1], -1)
        axes, pixel = turned(angle[:, 0]), side / SIZE
        offset = (read.points[..., :2] - (SIZE - 1) / 2) * pixel[:, None]
        points = centre[:, None] + offset @ axes.mT
        world = torch.cat([read.world[..., :2] @ axes.mT, read.world[..., 2:]], -1)
        return dict(
            points=points,
            depth=read.points[..., 2] * pixel,
            world=world,
            presence=read.presence_logits.sigmoid(),
            right=read.right_logits.sigmoid(),
            square=square_of_landmarks(points),
        )


def turned(angle: Tensor) -> Tensor:
    """(N,) radians -> (N, 2, 2) from squares' axes to the image's."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))


def square_of_landmarks(points: Tensor) -> Tensor:
    """:func:`roi_of_landmarks` of (N, 21, 2) pixels -> (N, 4) as of the network."""
    knuckles = (
        (points[:, INDEX] + points[:, RING]) / 2 + points[:, MIDDLE]
    ) / 2 - points[:, WRIST]
    angle = torch.atan2(knuckles[:, 0], -knuckles[:, 1])
    axes = turned(angle)
    steady = points[:, STEADY] @ axes
    low, high = steady.amin(1), steady.amax(1)
    extent = high - low
    shift = extent * torch.tensor([0.0, LANDMARK_SHIFT])
    centre = (axes @ ((low + high) / 2 + shift)[..., None])[..., 0]
    side = LANDMARK_SCALE * extent.amax(-1, keepdim=True)
    return torch.cat([centre, side, angle[:, None]], -1)
