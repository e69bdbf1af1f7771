"""From a box of an image to the crop that a config's model reads.

The crop is made by the transforms of the config's test pipeline, on a sample whose
ground truth is unknown: there is one code path for tests and for inference.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.dataset import Compose

from mmhand_dne.conventions import SIDES
from mmhand_dne.datasets.transforms.hamer_crop import DEMO
from mmhand_dne.datasets.transforms.select_hand import mirror_source
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.bounding_boxes import corners_of, mirror_corners
from mmhand_dne.structures.raw_sample import empty_sample

from .inputs.given_boxes import BOTH, HandBox

UPRIGHT = 'UprightHandBox'
# The image, the hand and the direction in which it points are given.
REPLACED = ('LoadHandImage', 'SelectHand', UPRIGHT)
MARGIN = 1.2  # of InterHand2.6M's annotated boxes about the joints' tight box


class Crop(NamedTuple):
    """One forward's worth of input and what it was made of.

    Attributes:
        data: ``inputs`` (3, H, W) uint8 and ``data_samples``, as PackHandInputs makes
            them; its meta data have ``crop_affine`` and ``flip``.
        box: where it was cut.
        intrinsics: (3, 3) of the image, pixels.
        sides: the hands to read from it.
        given: whether they are taken for present, as the user or the detector said.
        one: whether only the more present of them is there.
    """

    data: dict
    box: HandBox
    intrinsics: np.ndarray
    sides: tuple[str, ...]
    given: bool
    one: bool = False


class CropPipeline:
    """Cuts crops as the test pipeline of a config does, and HaMeR's as its demo does.

    A model of one hand needs the side of each box: a left hand's image is mirrored
    first, with its box and its camera. A model of two hands reads both from one crop.

    Boxes of kind 'given' go into the pipeline as they are, since it grows them as its
    data set needs. A 'tight' one is first grown to the 1.2 that InterHand2.6M's
    annotated boxes hold, where the pipeline does not grow it by as much; a 'whole'
    image and a 'roi' fill the crop, whatever the pipeline's padding [decided].

    Args:
        pipeline: of the config's test data set.
        num_vertices: V of the model's hand.
        one_hand: whether the model reads one hand, mirrored into a right one.

    Attributes:
        upright (bool): whether the model knows only crops in which the hand points up.

    Raises:
        ValueError: the pipeline does not crop, or is random.
    """

    def __init__(
        self, pipeline: Sequence[dict], num_vertices: int, one_hand: bool
    ) -> None:
        kept = [
            {**step, 'blur': True} if step.get('blur') == DEMO else step
            for step in pipeline
            if step['type'] not in REPLACED
        ]
        cutter = next(
            (step for step in kept if step['type'] in ('MeshCrop', 'HaMeRCrop')), None
        )
        if cutter is None or any(step['type'] == 'RandomMeshFlip' for step in kept):
            raise UserError(
                f'the test pipeline is {[step["type"] for step in pipeline]}; expected '
                'MeshCrop or HaMeRCrop, and nothing random'
            )
        self.upright = any(step['type'] == UPRIGHT for step in pipeline)
        self.transforms = Compose(kept)
        usual = 1.0 if cutter['type'] == 'MeshCrop' else 2.0
        self.padding = cutter.get('padding', usual)
        self.num_vertices, self.one_hand = num_vertices, one_hand

    def crops(
        self,
        image: np.ndarray,
        box: HandBox,
        intrinsics: np.ndarray,
        source: str,
        one_each: bool = False,
    ) -> list[Crop]:
        """One crop, or one per side for a model of one hand.

        Args:
            image: (H, W, 3) uint8 BGR.
            intrinsics: (3, 3) of the image, pixels.
            source: what to name in errors.
            one_each: a box without a side is one hand's, as where an image has
                several boxes [decided].
        Raises:
            ValueError: the model reads one hand and the box has no side.
        """
        sides = SIDES if box.side in (None, BOTH) else (box.side,)
        if not self.one_hand:
            crop = self._crop(image, box, sides, intrinsics, source)
            return [crop._replace(one=one_each and box.side is None)]
        if box.side is None:
            raise UserError(
                f'{source}: the model reads one hand, so it has to be told which; give '
                "side='right', 'left' or 'both', or a side with each box"
            )
        return [self._crop(image, box, (side,), intrinsics, source) for side in sides]

    def _crop(
        self,
        image: np.ndarray,
        box: HandBox,
        sides: tuple[str, ...],
        intrinsics: np.ndarray,
        source: str,
    ) -> Crop:
        mirrored = self.one_hand and sides == ('left',)
        results = dict(
            empty_sample(self.num_vertices),
            img=image,
            img_path=source,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            intrinsics=np.array(intrinsics, np.float64),
            principal_pt=intrinsics[:2, 2].copy(),
            focal=np.diag(intrinsics)[:2].copy(),
            flip=mirrored,
            box_angle=box.angle or 0.0,
            bbox=corners_of(self.annotated_box(box)),
        )
        if mirrored:
            mirror_source(results)
            results['bbox'] = mirror_corners(results['bbox'], image.shape[1])
        given = box.presence is None and (self.one_hand or box.side in SIDES)
        return Crop(self.transforms(results), box, intrinsics, sides, given)

    def annotated_box(self, box: HandBox) -> np.ndarray:
        """(x, y, w, h) as the pipeline's own data set would annotate it."""
        corners = np.asarray(box.corners, np.float64)
        centre, extent = (corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]
        if box.kind in ('whole', 'roi'):
            extent = extent / self.padding
        elif box.kind == 'tight':
            extent = extent * max(1.0, MARGIN / self.padding)
        return np.concatenate([centre - extent / 2, extent])


def upright_affine(
    affine: np.ndarray, flip: bool, width: int, crop_width: int
) -> np.ndarray:
    """The map from the image to its crop, neither mirrored.

    Args:
        affine: (2, 3) image to crop pixels, of the mirrored image if ``flip``.
        width: of the image, pixels.
        crop_width: of the crop, pixels.

    Returns: (2, 3).
    """
    square = np.concatenate([np.asarray(affine, np.float64), [[0, 0, 1.0]]])
    if flip:
        square = _mirror(crop_width) @ square @ _mirror(width)
    return square[:2]


def _mirror(width: int) -> np.ndarray:
    """u -> width - 1 - u."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def crop_rotation(affine: np.ndarray) -> np.ndarray:
    """(3, 3) rotation about the optical axis from the image's to the crop's axes.

    Args:
        affine: (2, 3) image to crop pixels, a rotation, a scale and a shift.
    """
    linear = np.asarray(affine, np.float64)[:, :2]
    rotation = np.eye(3)
    rotation[:2, :2] = linear / np.sqrt(np.linalg.det(linear))
    return rotation


def to_image(crop_pixels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Crop pixels (..., 2) to pixels of the image, back through (2, 3)."""
    affine = np.asarray(affine, np.float64)
    inverse = np.linalg.inv(affine[:, :2])
    return (crop_pixels - affine[:, 2]) @ inverse.T
