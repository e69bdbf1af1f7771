"""Sheets of overlays, 4 x 2 pictures a page, for people to look at."""

from pathlib import Path

import cv2
import numpy as np
from real_hand_groups import PictureGroup, picture_files
from real_hand_predictors import REFINED, MeshModel
from real_hand_scores import GroupScores

from mmhand_dne.fileio.images import read_image, write_image
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import caption
from mmhand_dne.visualization.results.result_pictures import draw_result

COLUMNS, ROWS = 4, 2  # of a page
TILE = 480  # pixels
LETTERS = 18  # pixels
MOST = 24  # pictures of a group
BACKGROUND = 255


def write_sheets(folder: Path, group: PictureGroup, scores: GroupScores) -> list[Path]:
    """Pages of a group's refined hands, or of what else a model gives.

    Returns: the files, ``{title}_{page}.jpg``.
    """
    tiles = []
    for number, labelled in enumerate(group.images[:MOST]):
        errors = [
            hand.errors.error_2d
            for hand in scores.rows[REFINED].hands
            if hand.image == number and hand.errors is not None
        ]
        told = ', '.join(f'{error:.1f} %' for error in errors) or 'no hand'
        hands = scores.results[REFINED, number]
        tiles.append(tile(labelled.path, hands, f'{labelled.path.stem}: {told}'))
    return write_pages(folder, group.title, tiles)


def photo_sheets(folder: Path, photos: Path, model: MeshModel) -> list[Path]:
    """Pages of photos without annotation, with the hands that the model finds."""
    tiles = []
    for path in picture_files(photos, MOST):
        hands = model.found(read_image(path)).hands
        tiles.append(tile(path, list(hands), f'{path.stem}: {len(hands)} hands'))
    return write_pages(folder, photos.name, tiles)


def tile(path: Path, hands: list[HandResult], text: str) -> np.ndarray:
    """A picture with its hands' meshes and a line of text, (H, TILE, 3) uint8 RGB."""
    image = np.ascontiguousarray(read_image(path)[..., ::-1])
    result = ImageResult(str(path), 0, image.shape[1::-1], tuple(hands))
    drawn = draw_result(image, result, ('overlay',), TILE)['overlay']
    return caption(fitted(drawn, TILE), text, height=LETTERS)


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture scaled into a white square."""
    scale = side / max(picture.shape[:2])
    size = [max(1, round(scale * length)) for length in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    square = np.full((side, side, 3), BACKGROUND, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square


def write_pages(folder: Path, title: str, tiles: list[np.ndarray]) -> list[Path]:
    """Tiles as numbered pages."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for first in range(0, len(tiles), COLUMNS * ROWS):
        page = tiles[first : first + COLUMNS * ROWS]
        rows = [page[i : i + COLUMNS] for i in range(0, len(page), COLUMNS)]
        path = folder / f'{title}_{len(paths) + 1}.jpg'
        paths.append(write_image(path, grid(rows)))
    return paths
