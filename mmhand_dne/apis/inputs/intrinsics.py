"""The camera of an image: given, or the convention where nothing is known."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.weak_perspective import full_image_focal

from .by_image import ByImage

GivenCameras = str | Path | Sequence | np.ndarray | Mapping | None


def conventional_intrinsics(size: tuple[int, int]) -> np.ndarray:
    """(3, 3) of an image of (W, H) pixels about whose camera nothing is known.

    Focal length 5000 / 256 * max(W, H), HaMeR's; principal point in the middle,
    (W - 1) / 2, (H - 1) / 2, so that a mirrored image has the mirrored camera
    [decided].
    """
    focal = float(full_image_focal(torch.tensor([float(side) for side in size])))
    return np.array(
        [[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]]
    )


class Cameras:
    """The camera of each image of an input.

    Args:
        given: of :func:`read_cameras`, or what it reads.
        count: number of images of the input; 0 where that is not known.

    Attributes:
        known (bool): whether any is given; lengths are metric then.

    Raises:
        ValueError: what is given is no camera, or there are not ``count`` of them.
    """

    def __init__(self, given: GivenCameras, count: int = 0) -> None:
        found = read_cameras(given)
        self.given = ByImage(found) if isinstance(found, Mapping) else found
        self.known = self.given is not None
        self.said: set[str] = set()  # doubts, each once
        self.first: tuple[str, tuple[int, int]] | None = None  # of one camera for all
        if isinstance(self.given, list) and len(self.given) != count:
            raise UserError(
                f'K: {len(self.given)} cameras, but the input has '
                f'{count or "an unknown number of"} images; give one for each, or '
                'name the files'
            )

    def of(self, index: int, source: str, size: tuple[int, int]) -> np.ndarray:
        """(3, 3) pixels of an image of (W, H) pixels; the convention if none is given.

        A given one whose centre is outside the image is logged, see :func:`doubt_of`.

        Raises:
            ValueError: the image is not named among the cameras, or is of another size
                than those before with the one camera of all.
        """
        if self.given is None:
            return conventional_intrinsics(size)
        matrix = self._given_of(index, source, size)
        doubt = doubt_of(matrix, size)
        if doubt and doubt not in self.said:
            self.said.add(doubt)
            print_log(f'{source}: {doubt}', 'current', level=logging.WARNING)
        return matrix

    def _given_of(self, index: int, source: str, size: tuple[int, int]) -> np.ndarray:
        """The given camera of an image."""
        if isinstance(self.given, list):
            return self.given[index]
        if isinstance(self.given, ByImage):
            key = self.given.key_of(index, source)
            if key is None:
                raise UserError(
                    f'K: names no camera of {source}, but {self.given.named}; add one'
                )
            return self.given.values[key]
        size = tuple(int(side) for side in size)
        self.first = self.first or (source, size)
        other, expected = self.first
        if size != expected:
            raise UserError(
                f'{source}: has {size[0]}x{size[1]} pixels, {other} has '
                f'{expected[0]}x{expected[1]}, so one K cannot be of both; give a K '
                'for each image'
            )
        return self.given


def doubt_of(matrix: np.ndarray, size: tuple[int, int]) -> str:
    """A sentence where a camera's centre is outside its image of (W, H) pixels, or ''.

    No error: of a part that was cut out of a picture it may be true.
    """
    centre = matrix[:2, 2]
    if (centre >= -0.5).all() and (centre <= np.array(size) - 0.5).all():
        return ''
    return (
        f'the centre ({centre[0]:g}, {centre[1]:g}) of its K is outside its '
        f'{size[0]}x{size[1]} pixels, so K is of another picture size or of a whole '
        'that this is a part of; scale or shift K as the picture was, or metric '
        'translations are wrong'
    )


def read_cameras(
    given: GivenCameras,
) -> np.ndarray | list[np.ndarray] | dict[str, np.ndarray] | None:
    """One camera for all images, or one for each; None stays None.

    Args:
        given: one camera, see :func:`read_intrinsics`; a list or an array of one for
            each image, in their order; a mapping from an image's path, file name or
            number to its camera, or a .json file with such a list or mapping.

    Returns: (3, 3) pixels, or a list of such, or a mapping to such.

    Raises:
        ValueError: it is none of these, or no camera.
    """
    is_file = isinstance(given, (str, Path))
    value = _read(Path(given)) if is_file else given
    if isinstance(value, Mapping):
        # null: as if the image were not named, which is said when its turn comes.
        return {
            str(key): read_intrinsics(camera)
            for key, camera in value.items()
            if camera is not None
        }
    if isinstance(value, (list, tuple, np.ndarray)) and _are_several(value):
        return [read_intrinsics(camera) for camera in value]
    return read_intrinsics(given)


def _are_several(value: Sequence | np.ndarray) -> bool:
    """Whether it is one camera for each image rather than one for all."""
    if _as_matrix(value).shape == (3, 3):
        return False
    return len(value) > 0 and all(
        isinstance(entry, (str, Path)) or _as_matrix(entry).shape == (3, 3)
        for entry in value
    )


def read_intrinsics(
    given: str | Path | Sequence | np.ndarray | None,
) -> np.ndarray | None:
    """A camera matrix from what a user gives; None stays None.

    Args:
        given: (3, 3) matrix; four numbers fx, fy, cx, cy in pixels; or a file with
            either: .json (also as ``{"K": ...}``), .npy, or text.

    Returns: (3, 3) pixels.

    Raises:
        ValueError: it is neither, or no camera.
    """
    if given is None:
        return None
    if isinstance(given, (str, Path)):
        matrix, origin = _as_matrix(_read(Path(given))), str(given)
    else:
        matrix, origin = _as_matrix(given), 'K'
    if matrix.shape != (3, 3):
        raise UserError(
            f'{origin}: a camera of shape {matrix.shape}; expected a 3x3 '
            'matrix or four numbers fx, fy, cx, cy'
        )
    upright = np.allclose(matrix[2], (0, 0, 1)) and abs(matrix[1, 0]) < 1e-9
    if not (
        np.isfinite(matrix).all() and upright and matrix[0, 0] > 0 and matrix[1, 1] > 0
    ):
        raise UserError(
            f'{origin}: {matrix.tolist()} is no camera matrix; expected '
            '[[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0'
        )
    return matrix


def _as_matrix(value: object) -> np.ndarray:
    """(3, 3) from four or nine numbers; of another shape what is no camera."""
    try:
        matrix = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    if matrix.size == 4:
        fx, fy, cx, cy = matrix.ravel()
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    return matrix.reshape(3, 3) if matrix.shape == (9,) else matrix


def _read(path: Path) -> object:
    try:
        if path.suffix == '.npy':
            return np.load(path, allow_pickle=False)
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise UserError(
            f'{path}: cannot be read ({error.strerror}); check the path of the camera'
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f'{path}: is no text; give a camera as .json, .npy or text'
        ) from error
    try:
        if path.suffix == '.json':
            value = json.loads(text)
            return value.get('K', value) if isinstance(value, dict) else value
        return [float(number) for number in text.replace(',', ' ').split()]
    except ValueError as error:
        raise UserError(
            f'{path}: holds no camera ({error}); expected four numbers '
            'fx fy cx cy, or a 3x3 matrix'
        ) from error
