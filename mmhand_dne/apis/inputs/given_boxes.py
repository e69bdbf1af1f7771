"""Where the hands are: boxes that a user gives, for every image of an input."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmhand_dne.conventions import SIDES
from mmhand_dne.errors import UserError

from .by_image import ByImage

BOTH = 'both'
MOST_OVER = 20  # times the image's longer side that a box may have [decided]
ONE_PIXEL = 1.5  # a box that reaches no farther is of shares of the image [decided]


class HandBox(NamedTuple):
    """A box around a hand, or around both.

    Attributes:
        corners: (4,) x0, y0, x1, y1 pixels of the upright image, before ``angle``.
        side: 'right', 'left', 'both', or None where that is not known.
        angle: degrees; the box is rotated clockwise by it about its middle. None: not
            known, and not rotated by models that do not turn their crops.
        kind: 'given' as the data set of the config annotates its boxes; 'tight' about
            the hand, as detectors find it; 'whole' image; 'roi': what the crop shall
            show, no more and no less.
        presence: probability that it holds that hand, of what found it; None where a
            user gives the box or the model itself has to say.
    """

    corners: np.ndarray
    side: str | None = None
    angle: float | None = None
    kind: str = 'given'
    presence: float | None = None


def whole_image(size: tuple[int, int], side: str | None = None) -> HandBox:
    """The box of a whole image of (W, H) pixels, whose centres are at integers."""
    width, height = size
    corners = np.array([-0.5, -0.5, width - 0.5, height - 0.5])
    return HandBox(corners, side, kind='whole')


def check_box(box: HandBox, size: tuple[int, int]) -> str:
    """Why a box cannot be cut out of an image of (W, H) pixels, '' if it can."""
    x0, y0, x1, y1 = (float(value) for value in box.corners)
    told = f'the box [{x0:g}, {y0:g}, {x1:g}, {y1:g}]'
    if not np.isfinite(box.corners).all():
        return f'{told} is not finite'
    if not (x1 > x0 and y1 > y0):
        return f'{told} has no area; expected x0, y0, x1, y1 with x1 > x0 and y1 > y0'
    width, height = size
    if x1 <= -0.5 or y1 <= -0.5 or x0 >= width - 0.5 or y0 >= height - 0.5:
        return f'{told} is outside the image of {width}x{height} pixels'
    if max(x1 - x0, y1 - y0) > MOST_OVER * max(size):
        return (
            f'{told} is more than {MOST_OVER} times as large as the image of '
            f'{width}x{height} pixels; boxes are in pixels'
        )
    return ''


class GivenBoxes:
    """The boxes of each image of an input.

    Args:
        bboxes: one of

            - a list with one entry per image, in the input's order, each a list of
              boxes or an array (N, 4 or 5);
            - for a single image also its boxes alone, (N, 4 or 5) or (4 or 5,), N may
              be 0;
            - a mapping from an image's path, however it is written, file name or
              number to its boxes, or from a video's path or file name to those of all
              its frames;
            - path of a JSON file with such a list or mapping.

            A box is ``[x0, y0, x1, y1]`` pixels, or ``dict(box=[...],
            side='right'|'left', angle=degrees)``. A fifth number is a score, as in
            MMPose's arrays and detectors' rows, and not read. Tensors are as good as
            arrays. A box that is there twice counts once.
        count: number of images of the input; 0 where that is not known.
        side: of every box that names none.

    Raises:
        ValueError: what is given is none of these.
    """

    def __init__(
        self,
        bboxes: str | Path | Sequence | Mapping | np.ndarray,
        count: int,
        side: str | None = None,
    ) -> None:
        self.origin, self.side = 'bboxes', check_side(side)
        if isinstance(bboxes, (str, Path)):
            self.origin, bboxes = str(bboxes), _read(bboxes)
        bboxes = _without_tensor(bboxes)
        if isinstance(bboxes, Mapping):
            self.table = ByImage({str(key): one for key, one in bboxes.items()})
            return
        if not isinstance(bboxes, (Sequence, np.ndarray)):
            raise UserError(
                f'{self.origin}: holds a {type(bboxes).__name__}; '
                'expected a list of boxes per image, or a mapping to them'
            )
        if count == 1 and (_are_boxes(bboxes) or _is_empty(bboxes)):
            bboxes = [bboxes]
        if count and len(bboxes) != count:
            raise UserError(
                f'{self.origin}: boxes of {len(bboxes)} images, but the input has '
                f'{count}; give one list of boxes for each, or name the files'
            )
        self.table = ByImage({str(i): value for i, value in enumerate(bboxes)})

    def of(self, index: int, source: str) -> list[HandBox] | None:
        """The boxes of an image; None where nothing was said about it."""
        key = self.table.key_of(index, source)
        if key is None:
            return None
        label = f'{self.origin}, {key}'
        boxes = _several(self.table.values[key], label)
        return _different(self._box(entry, label) for entry in boxes)

    def why_none(self, index: int, source: str) -> str:
        """Why :meth:`of` gives no box for an image."""
        if not self.table.values or self.table.key_of(index, source) is not None:
            return 'no box is given for it'
        return f'no box is given for it ({self.origin} names {self.table.named})'

    def _box(self, entry: object, label: str) -> HandBox:
        side, angle, numbers = self.side, None, entry
        if isinstance(entry, Mapping):
            if 'box' not in entry:
                raise UserError(f'{label}: a box without "box": [x0, y0, x1, y1]')
            unknown = set(entry) - {'box', 'side', 'angle', 'score'}
            if unknown:
                raise UserError(
                    f'{label}: a box with {sorted(unknown)[0]!r}; '
                    'expected box, side, angle'
                )
            numbers, side = entry['box'], check_side(entry.get('side', side), label)
            angle = check_angle(entry.get('angle'), label)
        return HandBox(_corners_of(numbers, label), side, angle)


def check_side(side: str | None, label: str = 'side') -> str | None:
    """Refuse what is no side."""
    if side not in (None, BOTH, *SIDES):
        raise UserError(
            f"{label}: {side!r} is no side; expected 'right', 'left' or 'both'"
        )
    return side


def check_angle(angle: object, label: str) -> float | None:
    """An angle as a number, None where it is not known; refuse what is none."""
    if angle is None:
        return None
    try:
        found = float(angle)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise UserError(f'{label}: {angle!r} is no angle; expected degrees, such as 20')
    return found


def _read(path: str | Path) -> object:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(
            f'{path}: cannot be read ({error.strerror}); check the path of the boxes'
        ) from error
    except ValueError as error:
        raise UserError(f'{path}: is not JSON ({error})') from error


def _corners_of(numbers: object, label: str) -> np.ndarray:
    """(4,) pixels of four numbers, or of five with a score."""
    try:
        corners = np.asarray(_without_tensor(numbers), np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape not in ((4,), (5,)):
        raise UserError(
            f'{label}: a box is {numbers!r}; expected four numbers x0, y0, x1, y1, '
            'which a score may follow; name an angle: {"box": [...], "angle": degrees}'
        )
    corners = corners[:4]
    if 0 < np.abs(corners).max() <= ONE_PIXEL:
        raise UserError(
            f'{label}: the box {corners.tolist()} is within one pixel; boxes are in '
            'pixels, so multiply shares of the image by its width and height'
        )
    return corners


def _different(boxes: Iterable[HandBox]) -> list[HandBox]:
    """Each box once, in their order."""
    return list({(*box.corners, box.side, box.angle): box for box in boxes}.values())


def _without_tensor(value: object) -> object:
    """A tensor as an array, anything else as it is."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _is_empty(value: Sequence | np.ndarray) -> bool:
    """No box: an empty list, or an array (0, 4 or 5)."""
    return len(value) == 0


def _is_box(value: object) -> bool:
    """One box: a mapping, or a row of numbers."""
    if isinstance(value, Mapping):
        return True
    is_row = isinstance(value, (Sequence, np.ndarray)) and len(value) > 0
    return is_row and isinstance(value[0], (int, float, np.number))


def _are_boxes(value: Sequence | Mapping | np.ndarray) -> bool:
    """Whether it is one box or a list of boxes, rather than a list of such lists."""
    return _is_box(value) or len(value) > 0 and _is_box(value[0])


def _several(value: object, label: str) -> list:
    """An image's boxes as a list, also where there is one or none."""
    value = _without_tensor(value)
    if value is None:
        return []
    if not isinstance(value, (Sequence, Mapping, np.ndarray)) or isinstance(value, str):
        raise UserError(
            f'{label}: {value!r} is no box; expected [x0, y0, x1, y1] or a list'
        )
    return [value] if _is_box(value) else list(value)
