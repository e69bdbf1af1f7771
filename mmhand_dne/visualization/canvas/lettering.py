"""Text on pictures in an outline font, legible also where it is small.

The font is the DejaVu Sans that comes with matplotlib.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .tag_places import place_tags

INK = (25, 25, 25)
PAPER = (255, 255, 255)
LEAST = 11  # pixels, the smallest letters that are written


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
    reach, edge = round(0.85 * height), max(1, height // 10)
    spots = np.array([tag.center for tag in tags], dtype=np.float64).reshape(-1, 2)
    spots = np.nan_to_num(spots, nan=0.0, posinf=0.0, neginf=0.0)
    spots = place_tags(spots, reach, picture.shape[:2], clear, hands, edge)
    picture = picture.copy()
    for tag, (x, y) in zip(tags, spots.tolist()):
        # On a copy of what is around the disc: Pillow draws on no array.
        left, top = (max(0, int(at) - reach - edge) for at in (x, y))
        part = picture[
            top : int(y) + reach + edge + 2, left : int(x) + reach + edge + 2
        ]
        canvas = Image.fromarray(part)
        draw = ImageDraw.Draw(canvas)
        x, y = x - left, y - top
        disc = (x - reach, y - reach, x + reach, y + reach)
        draw.ellipse(disc, fill=tuple(tag.color), outline=INK, width=edge)
        font = _font(fit(tag.text, height, round(1.5 * reach), bold=True), True)
        draw.text((x, y), tag.text, fill=INK, font=font, anchor='mm')
        part[:] = np.array(canvas)
    return picture


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
    font, picture = _font(height, bold), picture.copy()
    left, top, right, bottom = font.getbbox(text, anchor=anchor)
    size = picture.shape[1::-1]
    low = np.floor([at[0] + left - 2, at[1] + top - 2]).clip(0, size).astype(int)
    high = np.ceil([at[0] + right + 2, at[1] + bottom + 2]).clip(0, size).astype(int)
    # On a copy of what is around the text: Pillow draws on no array.
    part = picture[low[1] : high[1], low[0] : high[0]]
    if part.size:
        canvas = Image.fromarray(part)
        draw, at = ImageDraw.Draw(canvas), (at[0] - int(low[0]), at[1] - int(low[1]))
        draw.text(at, text, tuple(color), font, anchor=anchor)
        part[:] = np.asarray(canvas)
    return picture


def fit(text: str, height: int, width: int, bold: bool = False) -> int:
    """The letters' height, at most the one given, at which the text is no wider."""
    length, _ = measure(text, height, bold)
    return height if length <= width else max(5, int(height * width / length))


def measure(text: str, height: int, bold: bool = False) -> tuple[int, int]:
    """Width and height of a text, pixels."""
    left, top, right, bottom = _font(height, bold).getbbox(text)
    return round(right - left), round(bottom - top)


@lru_cache(maxsize=64)
def _font(height: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    folder = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
    return ImageFont.truetype(str(folder / name), height)
