"""What a report page says of one hand: pictures, and numbers that are explained.

A length is in metres only where the camera is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmhand_dne.conventions import OPENPOSE_JOINTS, WRIST
from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.results.hand_uncertainty import ELLIPSOID_SHARE

from .joint_words import joint_words
from .report_data import picture_uri

TILES = dict(
    mesh='Mesh over the photograph',
    coarse='Before refinement',
    deviation='Standard deviation as colour',
    ellipsoids=f'Ellipsoids: the true joint is inside one in {ELLIPSOID_SHARE:.0%} of '
    'cases, if the error bars are honest',
)
VIEWS = dict(right='From the right, far is right', above='From above, far is up')
PRESENCE_HINTS = {
    'detector': 'how sure the detector that found the hand is that one is there',
    'model': 'how sure the model is that the image shows this hand',
    None: 'how probable it is that the image shows this hand',
}


@dataclass(frozen=True)
class ArticleFigure:
    """A picture of the page."""

    uri: str
    alt: str  # what it shows, for who does not see it
    words: str  # the caption


@dataclass(frozen=True)
class HandNumber:
    """A number about a hand, and what it means."""

    name: str
    value: str
    hint: str


@dataclass(frozen=True)
class HandRow:
    """A hand's part of the page."""

    index: int  # in the image's result
    name: str  # the letter that the pictures have
    side: str
    tiles: list[ArticleFigure]
    views: list[ArticleFigure]  # of the mesh, without a browser's help
    numbers: list[HandNumber]


def make_row(
    index: int,
    hand: HandResult,
    name: str,
    tiles: Mapping[str, np.ndarray],
    source: str,
) -> HandRow:
    """What the page says of a hand.

    Args:
        index: of the hand in its result.
        hand: of the image.
        name: the letter that the pictures have.
        tiles: (h, w, 3) uint8 RGB by name, as of ``draw_hand_tiles``; none where the
            image could not be read.
        source: the image's name.
    """

    def figures(words: Mapping[str, str]) -> list[ArticleFigure]:
        return [
            ArticleFigure(
                picture_uri(tiles[key]),
                f'{text}: the {hand.side} hand {name} in {source}',
                text,
            )
            for key, text in words.items()
            if key in tiles
        ]

    numbers = [*_presence(hand), _wrist(hand), *_deviations(hand)]
    return HandRow(index, name, hand.side, figures(TILES), figures(VIEWS), numbers)


def _presence(hand: HandResult) -> list[HandNumber]:
    """Nothing for a given box and a model that knows no presence."""
    hint = PRESENCE_HINTS.get(hand.presence_of)
    if hint is None:
        return []
    return [HandNumber('Presence', f'{hand.presence:.2f}', hint)]


def _wrist(hand: HandResult) -> HandNumber:
    if not np.isfinite(hand.translation).all():
        return HandNumber(
            'Wrist', 'unknown', 'the predicted size in the image is not positive'
        )
    if not hand.metric:
        hint = "distances are known only with the camera's matrix; give it with --K"
        return HandNumber('Wrist', 'scale unknown', hint)
    right, down, away = (f'{value:.3f}' for value in hand.translation)
    value = f'{right} right, {down} down, {away} away'
    return HandNumber('Wrist', value, 'metres from the camera, along its axes')


def _deviations(hand: HandResult) -> list[HandNumber]:
    if hand.joint_std is None:
        return []
    std = np.asarray(hand.joint_std).copy()
    mean = std[np.arange(len(std)) != WRIST].mean()
    std[WRIST] = -np.inf  # it has none: the others are relative to it
    worst = int(std.argmax())
    return [
        HandNumber(
            'Mean deviation',
            f'{mean:.1f} mm',
            'how far a joint may well be from its true place, as seen from the wrist: '
            'the standard deviation, averaged over the 20 joints',
        ),
        HandNumber(
            'Least certain joint',
            f'{joint_words(worst)}, {std[worst]:.1f} mm',
            f'the joint of the largest standard deviation; {OPENPOSE_JOINTS[worst]} '
            'in the files',
        ),
    ]
