"""What a rendered set is made of, and where its random numbers come from."""

import zlib
from dataclasses import asdict, dataclass

import numpy as np

from mmhand_dne.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """The settings of a rendered data set; the same recipe gives the same bytes.

    Attributes:
        seed: of everything.
        image_size: (width, height) pixels of a landscape camera; a camera is
            landscape or portrait by chance, as in InterHand2.6M.
        cameras: views of each moment.
        moments: moments per capture; one is what InterHand2.6M calls a frame, a time
            step that all cameras of a rig see. A capture has one rig of cameras, one
            person (hand shape, skin) and one sequence.
        interacting_share: share of the moments that show two hands.
        occlusion_share: share of the images with things in front of the hands.
        max_turn: degrees, the largest rotation of a hand away from fingers up,
            back to the rig, both in the image plane and out of it.
        camera_spread: degrees, the largest angle between a camera and the
            rig's front.
    """

    seed: int = 0
    image_size: tuple[int, int] = (512, 334)
    cameras: int = 2
    moments: int = 5
    interacting_share: float = 0.5
    occlusion_share: float = 0.3
    max_turn: float = 100.0
    camera_spread: float = 45.0

    def __post_init__(self) -> None:
        for name in ('cameras', 'moments'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} is {getattr(self, name)}, expected at least 1')
        for name in ('interacting_share', 'occlusion_share'):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(
                    f'{name} is {getattr(self, name)}, expected a share between 0 and 1'
                )
        if min(self.image_size) < 64:
            raise UserError(
                f'image_size is {self.image_size}, expected at least '
                '64 pixels per side; smaller hands cannot be seen'
            )
        if not (0 <= self.max_turn <= 180 and 0 <= self.camera_spread <= 80):
            raise UserError(
                f'max_turn is {self.max_turn} and camera_spread '
                f'{self.camera_spread}, expected degrees in [0, 180] and [0, 80]'
            )

    def generator(self, *purpose: str | int) -> np.random.Generator:
        """Random numbers for one named purpose, whoever asks for them and when.

        Args:
            purpose: strings and integers, such as ('train', 'rig', 3).
        """
        words = [zlib.crc32(str(word).encode()) for word in purpose]
        return np.random.default_rng([self.seed, *words])

    def as_dict(self) -> dict:
        """The settings, as JSON keeps them."""
        return {**asdict(self), 'image_size': list(self.image_size)}
