"""What a report page says of one image: words, pictures, numbers, downloads.

Names of files and problems are text from outside. Here they are made text that can be
written; the templates escape it.
"""

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from mmhand_dne.conventions import SIDES
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.results.result_views import hand_names

from .hand_row import ArticleFigure, HandRow, make_row
from .report_data import file_uri, picture_uri

THUMBNAIL = 640  # pixels, longer side of the image itself on the page
CAPTIONS = dict(
    whole='Predicted meshes over the photograph',
    maps='Auxiliary maps',
)


@dataclass(frozen=True)
class Download:
    """A file that the page offers."""

    name: str
    uri: str
    kilobytes: int


@dataclass(frozen=True)
class Article:
    """One image's part of the page, as ``article.html`` reads it."""

    number: int  # of the image on the page, from 0
    title: str
    subtitle: str
    problem: str  # '' if there is none
    hands: str  # in words
    figures: list[ArticleFigure]
    scene: dict  # as of ``SceneStore.scene``
    rows: list[HandRow]
    downloads: list[Download]


def make_article(
    number: int,
    result: ImageResult,
    image: np.ndarray | None,
    pictures: Mapping[str, np.ndarray],
    tiles: Sequence[Mapping[str, np.ndarray]],
    scene: dict,
    files: Mapping[str, bytes],
) -> Article:
    """What the page says of one image.

    Args:
        number: of the image on the page, from 0.
        result: of the image.
        image: (h, w, 3) uint8 RGB, or None where it could not be read.
        pictures: kind -> (h, w, 3) uint8 RGB, as of ``draw_result``.
        tiles: of each hand, as of ``draw_hand_tiles``; empty ones without the image.
        scene: as of ``SceneStore.scene``.
        files: name -> bytes of what is offered for download.
    """
    rows = [
        make_row(i, hand, name, own, title(result))
        for i, (hand, name, own) in enumerate(
            zip(result.hands, hand_names(result), tiles, strict=True)
        )
    ]
    return Article(
        number=number,
        title=title(result),
        subtitle=subtitle(result),
        problem=clean(result.problem or ''),
        hands=hands(result),
        figures=_figures(result, image, pictures),
        scene=scene,
        rows=rows,
        downloads=[_download(name, data) for name, data in files.items()],
    )


def title(result: ImageResult) -> str:
    """The file's own name, with the frame's number for a video or camera."""
    source = clean(result.source)
    name = PurePath(source).name or source
    kind = mimetypes.guess_type(name)[0] or ''
    moving = kind.startswith('video/') or source.startswith('webcam')
    return f'{name}, frame {result.index}' if moving else name


def subtitle(result: ImageResult) -> str:
    """The image's folder and name, its size, and its hands in words.

    No more of the path than the folder: it may name a person.
    """
    width, height = result.size
    size = f'{width} x {height} pixels' if width else 'not read'
    source = PurePath(*PurePath(clean(result.source)).parts[-2:])
    return f'{source}, {size}, {hands(result)}'


def hands(result: ImageResult) -> str:
    """The hands in words: 'a right and a left hand', 'no hand'."""
    counts = [sum(h.side == side for h in result.hands) for side in SIDES]
    words = {0: '', 1: 'a {} hand'}
    said = [
        words.get(count, f'{count} {{}} hands').format(side)
        for count, side in zip(counts, SIDES)
    ]
    return ' and '.join(word for word in said if word) or 'no hand'


def clean(text: str) -> str:
    """Text that can be written as UTF-8: stray bytes of a file name are spelt out."""
    return text.encode('utf-8', 'backslashreplace').decode('utf-8')


def _figures(
    result: ImageResult, image: np.ndarray | None, pictures: Mapping[str, np.ndarray]
) -> list[ArticleFigure]:
    """The image itself, then what was drawn of it."""
    name = title(result)
    figures = []
    if image is not None:
        uri = picture_uri(image, THUMBNAIL)
        figures.append(ArticleFigure(uri, f'Photograph {name}', 'Photograph'))
    for kind, picture in pictures.items():
        words = CAPTIONS[kind]
        alt = f'{words}: {hands(result)} in {name}'
        figures.append(ArticleFigure(picture_uri(picture), alt, words))
    return figures


def _download(name: str, data: bytes) -> Download:
    kilobytes = max(1, round(len(data) / 1000))
    return Download(clean(name), file_uri(name, data), kilobytes)
