"""Text on pictures in an outline font, legible also where it is small.

The font is the DejaVu Sans that comes with matplotlib.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .tag_places import place_tags

INK = (25, 25, 25)
PAPER = (255, 255, 255)
LEAST = 11  # pixels, the smallest letters that are written
DISC_BITS = 4  # of the fraction of a disc's radius


def letter_height(width: int) -> int:
    """Pixels of the letters of a picture: a twenty-fifth of its width.

    So a picture of any size, shrunk to 256 pixels, has letters of ten.
    """
    return max(LEAST, round(width / 25))


def caption(picture: np.ndarray, *lines: str, height: int | None = None) -> np.ndarray:
    """The picture under a white bar with the lines, each shrunk to its width.

    Args:
        picture: (h, w, 3) uint8 RGB.
        lines: the first is bold; an empty one keeps its room.
        height: of the letters, pixels; by default as the picture's width asks for.
    """
    width = picture.shape[1]
    height = letter_height(width) if height is None else height
    pad, step = _line_room(height)
    bar = np.full((caption_height(len(lines), height), width, 3), PAPER, np.uint8)
    for row, line in enumerate(lines):
        bold = row == 0
        fitted = fit(line, height, width - 2 * pad, bold)
        bar = write(bar, line, (pad, pad // 2 + row * step), fitted, bold=bold)
    return np.concatenate([bar, picture])


def caption_height(lines: int, height: int) -> int:
    """Rows of pixels of a caption of so many lines in letters of ``height``."""
    pad, step = _line_room(height)
    return step * lines + pad


def _line_room(height: int) -> tuple[int, int]:
    """The margin around lines and the way from one to the next, pixels."""
    return max(3, height // 3), round(1.35 * height)


def note(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text on a white plate at its foot."""
    rows, width = picture.shape[:2]
    height = fit(text, letter_height(width), width - 12, bold=True)
    plate_height = min(rows, 2 * height)
    picture = picture.copy()
    picture[rows - plate_height :] = PAPER
    length, _ = measure(text, height, bold=True)
    at = ((width - length) // 2, rows - plate_height + (plate_height - height) // 2 - 1)
    return write(picture, text, at, height, bold=True)


class Tag(NamedTuple):
    """A letter or two on a disc of a hand's colour."""

    text: str
    center: np.ndarray  # (2,) x, y, pixels
    color: Sequence[int]  # RGB of the disc


def draw_tags(
    picture: np.ndarray,
    tags: Sequence[Tag],
    height: int,
    clear: np.ndarray | None = None,
    hands: np.ndarray | None = None,
) -> np.ndarray:
    """The picture with tags, which move off each other and into it.

    Args:
        picture: (h, w, 3) uint8 RGB.
        tags: a centre that is not finite is taken for the upper left corner.
        height: of a letter, pixels.
        clear: (N, 2) pixels that no tag may cover: fingertips.
        hands: (M, 2) pixels of the hands, which tags rather leave free.
    """
    spots = tag_spots(picture.shape[:2], tags, height, clear, hands)
    return draw_tags_at(picture, tags, height, spots)


def tag_spots(
    size: tuple[int, int],
    tags: Sequence[Tag],
    height: int,
    clear: np.ndarray | None = None,
    hands: np.ndarray | None = None,
) -> np.ndarray:
    """Where tags stand in a picture (h, w): (N, 2) pixels; see :func:`draw_tags`."""
    reach, edge = _tag_size(height)
    spots = np.array([tag.center for tag in tags], dtype=np.float64).reshape(-1, 2)
    spots = np.nan_to_num(spots, nan=0.0, posinf=0.0, neginf=0.0)
    return place_tags(spots, reach, size, clear, hands, edge)


def draw_tags_at(
    picture: np.ndarray, tags: Sequence[Tag], height: int, spots: np.ndarray
) -> np.ndarray:
    """The picture with tags at spots (N, 2), pixels."""
    reach, edge = _tag_size(height)
    picture = picture.copy()
    for tag, spot in zip(tags, np.rint(spots).astype(int).tolist()):
        disc = _disc(tag.text, tuple(map(int, tag.color)), height, reach, edge)
        _lay(picture, disc, [at - reach - edge for at in spot])
    return picture


def _tag_size(height: int) -> tuple[int, int]:
    """Radius of a tag's disc and width of its edge, pixels."""
    return round(0.85 * height), max(1, height // 10)


def write(
    picture: np.ndarray,
    text: str,
    at: Sequence[float],
    height: int,
    color: Sequence[int] = INK,
    bold: bool = False,
    anchor: str = 'la',
) -> np.ndarray:
    """The picture with text whose anchor (Pillow's names) is at (x, y) pixels."""
    picture = picture.copy()
    whole = [math.floor(along) for along in at]
    fraction = tuple(along - low for along, low in zip(at, whole))
    letters, start = _letters(text, height, bold, anchor, fraction)
    shade = np.full((*letters.shape, 3), tuple(color), np.uint8)
    _lay(
        picture, Stamp(shade, letters), [low + more for low, more in zip(whole, start)]
    )
    return picture


class Stamp(NamedTuple):
    """A small picture to be laid over another."""

    picture: np.ndarray  # (h, w, 3) uint8 RGB
    opacity: np.ndarray  # (h, w) uint8


def _lay(picture: np.ndarray, stamp: Stamp, corner: Sequence[int]) -> None:
    """Lay a stamp's upper left pixel on (x, y) of a picture, which is changed."""
    (left, top), (height, width) = corner, stamp.opacity.shape
    shown = (
        slice(max(0, -top), max(0, min(height, picture.shape[0] - top))),
        slice(max(0, -left), max(0, min(width, picture.shape[1] - left))),
    )
    part = picture[
        max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)
    ]
    if not part.size:
        return
    opacity = stamp.opacity[shown].astype(np.float32) / 255
    part[:] = cv2.blendLinear(
        np.ascontiguousarray(stamp.picture[shown]),
        np.ascontiguousarray(part),
        opacity,
        1 - opacity,
    )


@lru_cache(maxsize=256)
def _letters(
    text: str, height: int, bold: bool, anchor: str, at: tuple[float, float]
) -> tuple[np.ndarray, tuple[int, int]]:
    """How much letters cover pixels, (h, w) uint8, and where the first of these is as
    seen from the anchor's pixel, in which the anchor is ``at`` x, y in [0, 1).
    """
    font = _font(height, bold)
    left, top, right, bottom = font.getbbox(text, anchor=anchor)
    left, top = (min(0, math.floor(start) - 1) for start in (left, top))
    canvas = Image.new('L', (math.ceil(right) + 2 - left, math.ceil(bottom) + 2 - top))
    at = at[0] - left, at[1] - top
    ImageDraw.Draw(canvas).text(at, text, 255, font, anchor=anchor)
    return np.asarray(canvas), (left, top)


@lru_cache(maxsize=64)
def _disc(
    text: str, color: tuple[int, ...], height: int, reach: int, edge: int
) -> Stamp:
    """A letter or two on an edged disc; its centre is ``reach + edge`` pixels in.

    Args:
        color: RGB.
        height: of the letters, pixels.
        reach: radius of the disc, pixels.
        edge: width of its edge, pixels.
    """
    side = 2 * (reach + edge) + 1
    picture = np.full((side, side, 3), INK, np.uint8)
    opacity = np.zeros((side, side), np.uint8)
    middle, fine = reach + edge, 2**DISC_BITS
    center = fine * middle, fine * middle
    flags = cv2.FILLED, cv2.LINE_AA, DISC_BITS
    cv2.circle(opacity, center, fine * reach + fine // 2, 255, *flags)
    cv2.circle(picture, center, fine * (reach - edge) + fine // 2, color, *flags)
    letters = fit(text, height, round(1.5 * reach), bold=True)
    return Stamp(
        write(picture, text, (middle, middle), letters, bold=True, anchor='mm'), opacity
    )


def fit(text: str, height: int, width: int, bold: bool = False) -> int:
    """The letters' height, at most the one given, at which the text is no wider."""
    length, _ = measure(text, height, bold)
    return height if length <= width else max(5, int(height * width / length))


@lru_cache(maxsize=256)
def measure(text: str, height: int, bold: bool = False) -> tuple[int, int]:
    """Width and height of a text, pixels."""
    left, top, right, bottom = _font(height, bold).getbbox(text)
    return round(right - left), round(bottom - top)


@lru_cache(maxsize=64)
def _font(height: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    folder = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
    return ImageFont.truetype(str(folder / name), height)
