"""Running predictors over groups of pictures, and the rows of the table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from real_hand_groups import LabelledImage, PictureGroup
from real_hand_predictors import FOUND, LANDMARKS, Reading

from mmhand_dne.evaluation.functional.single_hand_errors import (
    SingleHandErrors,
    match_hands,
    nearest_hand,
    single_hand_errors,
    summarize_hands,
)
from mmhand_dne.fileio.images import read_image
from mmhand_dne.structures.hand_result import HandResult

MILLISECONDS = 1000.0  # in a second
NO_HANDS = 'no hands'
READ = ', hands that the landmark net takes for no other'


class Scored(NamedTuple):
    """One true hand and what a row says of it.

    Attributes:
        image, hand: numbers of the picture in its group and of the hand in the picture.
        name: of the picture's file.
        errors: None where no estimate is of the hand.
        nearest: whether the estimate lies closest to this hand of the picture's.
    """

    image: int
    hand: int
    name: str
    errors: SingleHandErrors | None
    nearest: bool = False


class RowScores(NamedTuple):
    """What a row of the table has gathered."""

    hands: list[Scored]
    false_hands: list[int]  # of each picture whose hands are all known
    seconds: list[float]


class GroupScores(NamedTuple):
    """A group in one mode.

    Attributes:
        rows: scores by row of the table.
        results: typed hands by row and number of the picture.
    """

    rows: dict[str, RowScores]
    results: dict[tuple[str, int], list[HandResult]]


def score_group(
    group: PictureGroup, predictors: Sequence[object], mode: str
) -> GroupScores:
    """Run all predictors that have the mode over all pictures of a group.

    Args:
        predictors: of :mod:`real_hand_predictors`, or alike.
    """
    scores = GroupScores(defaultdict(lambda: RowScores([], [], [])), defaultdict(list))
    predictors = [predictor for predictor in predictors if mode in predictor.modes]
    for number, labelled in enumerate(group.images):
        image = read_image(labelled.path)
        for predictor in predictors:
            if mode == FOUND:
                _add_found(scores, number, labelled, predictor.found(image))
            else:
                for slot, true in enumerate(labelled.hands):
                    reading = predictor.given(image, true, mode)
                    _add_given(scores, number, labelled, slot, reading)
    return scores


def score_empty(
    paths: Iterable[Path], predictors: Sequence[object]
) -> dict[str, RowScores]:
    """The same for pictures without hands: whatever is found is false."""
    images = [LabelledImage(path, []) for path in paths]
    return score_group(PictureGroup(NO_HANDS, images), predictors, FOUND).rows


def pooled(parts: Sequence[dict[str, RowScores]]) -> dict[str, RowScores]:
    """The scores of several groups as one."""
    return {
        name: RowScores(*(sum(values, []) for values in zip(*(p[name] for p in parts))))
        for name in parts[0]
    }


def table_rows(
    title: str, mode: str, rows: dict[str, RowScores], parted: bool = True
) -> list[dict]:
    """The table's rows of a group.

    Args:
        parted: once more of the hands that the landmark network takes for no other,
            where pictures show several and it errs.
    """
    found = [table_row(title, mode, name, row) for name, row in rows.items()]
    told = rows[LANDMARKS].hands if LANDMARKS in rows else []
    kept = {(hand.image, hand.hand) for hand in told if hand.nearest}
    if parted and kept and len(kept) < len(told):
        for name, row in rows.items():
            part = [hand for hand in row.hands if (hand.image, hand.hand) in kept]
            part = row._replace(hands=part, false_hands=[], seconds=[])
            found.append(table_row(title + READ, mode, name, part))
    return found


def table_row(title: str, mode: str, name: str, row: RowScores) -> dict:
    """One row: what :func:`summarize_hands` says, and counts, times and all hands."""
    errors = [hand.errors for hand in row.hands if hand.errors is not None]
    seconds = np.array(row.seconds)
    return dict(
        group=title,
        boxes=mode,
        predictor=name,
        of=len(row.hands),
        **summarize_hands(errors),
        false_hands=sum(row.false_hands) if row.false_hands else None,
        pictures=len(row.false_hands),
        ms=MILLISECONDS * float(np.median(seconds)) if len(seconds) else None,
        each=[_told(hand) for hand in row.hands],
    )


def _add_given(
    scores: GroupScores,
    number: int,
    labelled: LabelledImage,
    slot: int,
    reading: Reading,
) -> None:
    """Count in what was seen in one true hand's box."""
    for name, estimates in reading.rows.items():
        row, found = scores.rows[name], estimates[0] if estimates else None
        scored = Scored(number, slot, labelled.path.name, None)
        if found is not None:
            errors = single_hand_errors(found, labelled.hands[slot])
            nearest = nearest_hand(found, labelled.hands) == slot
            scored = scored._replace(errors=errors, nearest=nearest)
        row.hands.append(scored)
    _add_run(scores, number, reading)


def _add_found(
    scores: GroupScores, number: int, labelled: LabelledImage, reading: Reading
) -> None:
    """Count in what was found in a whole picture."""
    for name, estimates in reading.rows.items():
        row, matched = scores.rows[name], match_hands(estimates, labelled.hands)
        for slot, chosen in enumerate(matched):
            errors = None
            if chosen is not None:
                errors = single_hand_errors(estimates[chosen], labelled.hands[slot])
            row.hands.append(Scored(number, slot, labelled.path.name, errors))
        if labelled.complete:
            taken = sum(chosen is not None for chosen in matched)
            row.false_hands.append(len(estimates) - taken)
    _add_run(scores, number, reading)


def _add_run(scores: GroupScores, number: int, reading: Reading) -> None:
    for name, seconds in reading.seconds.items():
        scores.rows[name].seconds.append(seconds)
    for name in reading.rows:
        scores.results[name, number] += reading.hands


def _told(hand: Scored) -> dict:
    """A hand's numbers as the JSON file has them."""
    told = dict(picture=hand.name, hand=hand.hand)
    if hand.errors is not None:
        numbers = hand.errors._asdict()
        for name in ('levels', 'joint_errors', 'joint_stds'):
            del numbers[name]
        told.update(numbers, nearest=hand.nearest)
    return told
