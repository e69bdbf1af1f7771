"""What a rendered set is made of, and where its random numbers come from."""

import zlib
from dataclasses import asdict, dataclass

import numpy as np

from mmhand_dne.errors import UserError

RECIPE_FILE = 'recipe.json'  # in the folder of a rendered set
SHARES = (
    'interacting_share',
    'occlusion_share',
    'gesture_share',
    'arm_share',
    'held_share',
    'clasped_share',
    'truncated_share',
    'natural_share',
    'blur_share',
)


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
        hand_share: a hand's length over the image's short side, lowest and highest.
        shape_spread: factor of the shape coefficients' standard deviation.
        breadth: standard deviations, lowest and highest, by which hands are broader
            and thicker than the model's mean; people's hands are, mostly.
        gesture_share: share of the moments with gestures (fists, pointing, pinches,
            independent fingers) beside draws of the pose components.
        arm_share: share of the moments with forearms that leave the picture, bare, with
            a watch or a sleeve; other ones end a hand's width behind the wrist.
        held_share: share of the moments in which a hand holds something.
        clasped_share: share of the moments with two hands in which they cross,
            overlap or clasp; in other ones they nearly touch.
        truncated_share: share of the cameras that cut off a part of the hands.
        natural_share: share of the images with surroundings, light and sensor as in
            casual photos; other ones look like a studio's.
        blur_share: share of the images that are out of focus or shaken.
        tagged: write into each annotation, as ``hard``, what makes its image hard:
            'occluded', 'held', 'blurred' or none of these.
    """

    seed: int = 0
    image_size: tuple[int, int] = (512, 334)
    cameras: int = 2
    moments: int = 5
    interacting_share: float = 0.5
    occlusion_share: float = 0.3
    max_turn: float = 100.0
    camera_spread: float = 45.0
    hand_share: tuple[float, float] = (0.4, 0.65)
    shape_spread: float = 1.0
    breadth: tuple[float, float] = (0.0, 0.0)
    gesture_share: float = 0.0
    arm_share: float = 0.0
    held_share: float = 0.0
    clasped_share: float = 0.0
    truncated_share: float = 0.0
    natural_share: float = 0.0
    blur_share: float = 0.0
    tagged: bool = False

    def __post_init__(self) -> None:
        for name in ('cameras', 'moments'):
            if getattr(self, name) < 1:
                raise UserError(f'{name} is {getattr(self, name)}, expected at least 1')
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(
                    f'{name} is {getattr(self, name)}, expected a share between 0 and 1'
                )
        self._check_ranges()
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

    def _check_ranges(self) -> None:
        low, high = self.hand_share
        if not 0.05 <= low <= high <= 1:
            raise UserError(
                f'hand_share is {self.hand_share}, expected two shares of the image, '
                'the lower one first, between 0.05 and 1'
            )
        low, high = self.breadth
        if not -3 <= low <= high <= 8:
            raise UserError(
                f'breadth is {self.breadth}, expected two numbers of standard '
                'deviations, the lower one first, between -3 and 8'
            )
        if not 0 <= self.shape_spread <= 2:
            raise UserError(
                f'shape_spread is {self.shape_spread}, expected a factor in [0, 2]'
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
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
