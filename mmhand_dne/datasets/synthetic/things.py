"""Things to hold: rods, balls and boxes as meshes with a distance to their surface."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SIDES_OF_ROD = 20


class Solid(NamedTuple):
    """A simple shape in its own axes, about the origin.

    Attributes:
        kind: 'rod' along z of sizes (radius, radius, half length), 'ball' of three
            equal radii, 'box' of half edges.
        sizes: (3,) metres.
    """

    kind: str
    sizes: np.ndarray

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance of points (..., 3) metres to the surface, < 0 inside."""
        sizes = torch.from_numpy(self.sizes).to(points)
        if self.kind == 'ball':
            return points.norm(dim=-1) - sizes[0]
        if self.kind == 'rod':
            radial = points[..., :2].norm(dim=-1) - sizes[0]
            beyond = torch.stack([radial, points[..., 2].abs() - sizes[2]], dim=-1)
        else:
            beyond = points.abs() - sizes
        outside = beyond.clamp(min=0).norm(dim=-1)
        return outside + beyond.amax(dim=-1).clamp(max=0)

    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A closed surface whose edges are sharp.

        Returns: vertices (N, 3) metres, faces (F, 3) wound outward, and (N, 2) texture
            coordinates in [0, 1].
        """
        if self.kind == 'ball':
            points, faces, texture = _tube(np.linspace(0, np.pi, 11), _ball_profile)
            return points * self.sizes, faces, texture
        if self.kind == 'rod':
            points, faces, texture = _tube(np.arange(10), _rod_profile)
            return points * self.sizes, faces, texture
        return _box(self.sizes)


def _ball_profile(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.sin(angles), -np.cos(angles)


def _rod_profile(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius and height of a rod's rings; doubled ones make its edges sharp."""
    heights = np.array([-1, -1, -1, -0.6, -0.2, 0.2, 0.6, 1, 1, 1.0])
    radii = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 0.0])
    return radii[steps], heights[steps]


def _tube(
    steps: np.ndarray, profile: Callable
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A surface of revolution about z of radius 1 and height -1 to 1."""
    radii, heights = profile(steps)
    around = np.linspace(0, 2 * np.pi, SIDES_OF_ROD, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around)], 1)
    points = np.concatenate(
        [
            radii[:, None, None] * ring,
            np.broadcast_to(heights[:, None, None], (len(steps), SIDES_OF_ROD, 1)),
        ],
        axis=2,
    ).reshape(-1, 3)
    row, column = np.meshgrid(
        np.arange(len(steps) - 1), np.arange(SIDES_OF_ROD), indexing='ij'
    )
    after = (column + 1) % SIDES_OF_ROD
    a, b = row * SIDES_OF_ROD + column, row * SIDES_OF_ROD + after
    c, d = a + SIDES_OF_ROD, b + SIDES_OF_ROD
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)])
    texture = np.stack(
        [np.tile(around / (2 * np.pi), len(steps)), (points[:, 2] + 1) / 2], 1
    )
    return points, faces.reshape(-1, 3), texture


def _box(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six faces of a grid each, without shared vertices."""
    cells = 6
    u, v = np.meshgrid(*[np.linspace(0, 1, cells + 1)] * 2, indexing='ij')
    grid = np.stack([u, v], -1).reshape(-1, 2)
    row, column = np.meshgrid(*[np.arange(cells)] * 2, indexing='ij')
    a = (row * (cells + 1) + column).ravel()
    b, c, d = a + cells + 1, a + 1, a + cells + 2
    square = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    points, faces = [], []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for sign in (1, -1):
            side = np.empty((len(grid), 3))
            side[:, axis] = sign
            side[:, first], side[:, second] = (2 * grid - 1).T
            faces.append(
                (square if sign > 0 else square[:, ::-1]) + len(grid) * len(points)
            )
            points.append(side)
    return np.concatenate(points) * sizes, np.concatenate(faces), np.tile(grid, (6, 1))


def sample_colors(rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """Linear colours (N, 3) of a thing: plain, striped, labelled or a bright screen."""
    base, other = rng.uniform(0.02, 0.95, (2, 3))
    if rng.random() < 0.4:
        base = np.full(3, base.mean()) * rng.uniform(0.9, 1.1, 3)  # grey, black, white
    kind = int(rng.integers(4))
    u, v = texture.T
    if kind == 0:
        mix = np.zeros(len(u))
    elif kind == 1:
        mix = (np.sin(2 * np.pi * rng.integers(1, 4) * v + rng.uniform(0, 6)) > 0) * 1.0
    elif kind == 2:
        low = rng.uniform(0.1, 0.5)
        mix = ((v > low) & (v < low + rng.uniform(0.2, 0.4))) * 1.0
    else:
        mix = ((np.abs(u - 0.5) < 0.42) & (np.abs(v - 0.5) < 0.42)) * 1.0
    color = base + (other - base) * mix[:, None]
    color = color * (1 + rng.normal(0, 0.03, color.shape))
    return color.clip(0.01, 1) ** 2
