"""The camera of an image: given, or the convention where nothing is known."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.weak_perspective import full_image_focal


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
