"""The cameras of a capture."""

from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.geometry.camera import project_pinhole
from mmhand_dne.rendered_recipe import Recipe

# Where a rig looks, millimetres; off zero as in InterHand2.6M, whose invalid
# joints stand at (1, 1, 1).
RIG_CENTRE = np.array([20.0, -80.0, 1000.0])
HAND_LENGTH = 0.2  # metres, wrist to finger tip: what fills the image
MONOCHROME_SHARE = 0.15


class RigCamera(NamedTuple):
    """A pinhole camera, in the units of InterHand2.6M's camera files."""

    name: str  # '400...' in colour, '410...' monochrome
    size: tuple[int, int]  # (width, height) pixels
    position: np.ndarray  # (3,) millimetres, world
    rotation: np.ndarray  # (3, 3) world -> camera
    focal: np.ndarray  # (2,) pixels
    centre: np.ndarray  # (2,) principal point, pixels

    @property
    def monochrome(self) -> bool:
        return self.name.startswith('410')

    def to_camera(self, world: np.ndarray) -> np.ndarray:
        """World millimetres (N, 3) to camera millimetres."""
        return (world - self.position) @ self.rotation.T

    def to_pixels(self, points_cam: np.ndarray) -> np.ndarray:
        """RigCamera coordinates (N, 3), z > 0, to pixels (N, 2)."""
        return project_pinhole(points_cam, self.focal, self.centre)


def make_rig(recipe: Recipe, split: str, capture: int) -> list[RigCamera]:
    """The cameras of one capture, all looking at the rig's centre."""
    rng = recipe.generator(split, 'rig', capture)
    numbers = np.sort(rng.choice(100, recipe.cameras, replace=False))
    rig = [_sample_camera(rng, recipe, int(number)) for number in numbers]
    rng = recipe.generator(split, 'truncation', capture)
    return [
        _truncated(rng, camera) if cut else camera
        for camera, cut in zip(rig, rng.random(len(rig)) < recipe.truncated_share)
    ]


def _truncated(rng: np.random.Generator, camera: RigCamera) -> RigCamera:
    """The camera, its picture moved until an edge cuts through the hands.

    The principal point moves, as in a part of a larger picture.
    """
    length = camera.focal[0] * HAND_LENGTH * MILLIMETRES
    length = length / np.linalg.norm(camera.position - RIG_CENTRE)
    around = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(around), np.sin(around)])
    way /= np.abs(way).max()
    kept = rng.uniform(0.02, 0.3) * length  # from the hands' middle to the edge
    middle = camera.to_pixels(camera.to_camera(RIG_CENTRE[None]))[0]
    target = (np.array(camera.size) - 1) / 2 * (1 + way) - way * kept
    return camera._replace(centre=(camera.centre + target - middle).round(4))


def _sample_camera(rng: np.random.Generator, recipe: Recipe, number: int) -> RigCamera:
    family = 410000 if rng.random() < MONOCHROME_SHARE else 400000
    size = recipe.image_size
    if rng.random() < 0.5:
        size = size[::-1]
    distance = rng.uniform(500, 1100)
    rotation = _looking_along(
        _front_direction(rng, recipe.camera_spread), np.radians(rng.uniform(-15, 15))
    )
    # The hand of HAND_LENGTH covers this share of the image's short side.
    share = rng.uniform(*recipe.hand_share)
    focal = share * min(size) * (distance / MILLIMETRES) / HAND_LENGTH
    focal = focal * rng.normal(1, [0, 2e-4])
    centre = (np.array(size) - 1) / 2 + rng.normal(0, 0.02, 2) * min(size)
    aim = RIG_CENTRE + rng.normal(0, 8, 3)
    position = aim - distance * rotation[2]
    # Rounded here, once: files and images then agree to the last digit.
    return RigCamera(
        str(family + number),
        (int(size[0]), int(size[1])),
        position.round(4),
        rotation,
        focal.round(4),
        centre.round(4),
    )


def _front_direction(rng: np.random.Generator, widest: float) -> np.ndarray:
    """A viewing direction, uniform on the cap of ``widest`` degrees around +z."""
    cosine = rng.uniform(np.cos(np.radians(widest)), 1)
    around = rng.uniform(0, 2 * np.pi)
    sine = np.sqrt(1 - cosine**2)
    return np.array([sine * np.cos(around), sine * np.sin(around), cosine])


def _looking_along(direction: np.ndarray, roll: float) -> np.ndarray:
    """World -> camera rotation, y down up to ``roll``, viewing ``direction``."""
    right = np.cross([0.0, 1.0, 0.0], direction)
    right /= np.linalg.norm(right)
    down = np.cross(direction, right)
    level = np.stack([right, down, direction])
    in_plane = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    return in_plane @ level
