"""Pictures of results, for a window or a file."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from mmengine.logging import print_log
from torch import nn

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.visualization.results.result_pictures import draw_result

from .inputs.sources import InputFrame

# Pictures that not every model can give: the part of the model, what it predicts.
NEEDS = dict(
    uncertainty=('uncertainty_head', 'error bars'),
    coarse_refined=('refine_head', 'stages of refinement'),
    maps=('aux_head', 'auxiliary maps'),
)
OPEN_WINDOW = "import cv2; cv2.namedWindow('hands'); cv2.waitKey(1)"
LONGEST_TRIAL = 60  # seconds
LONGEST = 1280  # pixels of a video's longer side


def check_kinds(model: nn.Module, kinds: str | Sequence[str]) -> tuple[str, ...]:
    """The kinds of pictures, a text being one of them; refuse what a model does not
    predict.

    Raises:
        ValueError: names the kind and what the model lacks.
    """
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    possible = possible_kinds(model, kinds)
    for kind in kinds:
        if kind not in possible:
            raise UserError(
                f'the picture {kind} shows {NEEDS[kind][1]}, which this model has not; '
                'leave it out, or take a model that has them'
            )
    return kinds


def possible_kinds(model: nn.Module, kinds: Sequence[str]) -> tuple[str, ...]:
    """Those of some kinds of pictures for which a model predicts what they show."""
    return tuple(
        kind for kind in kinds if kind not in NEEDS or _has(model, NEEDS[kind][0])
    )


def _has(model: nn.Module, part: str) -> bool:
    """Whether a model has a part; error bars of a deterministic head are none."""
    head = getattr(model, part, None)
    covariance = getattr(head, 'covariance', None)
    return head is not None and getattr(covariance, 'probabilistic', True)


def draw_frame(
    frame: InputFrame,
    result: ImageResult,
    kinds: Sequence[str],
    size: int | None = None,
    span: float | None = None,
) -> dict[str, np.ndarray]:
    """Pictures (H, W, 3) uint8 RGB by kind; none of what could not be decoded.

    Args:
        kinds, size, span: of :func:`draw_result`.
    """
    if frame.image is None:
        return {}
    options = {} if size is None else dict(size=size)
    rgb = cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)
    return draw_result(rgb, result, kinds, span=span, **options)


def video_size(image: np.ndarray) -> tuple[int, int]:
    """(W, H) of the video that is drawn of frames like this one."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    return round(width * scale), round(height * scale)


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The upper left part of a picture, black where it ends; (W, H) -> (H, W, 3).

    Below an overlay may stand close-ups, whose number changes from frame to frame.
    """
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    height, width = (min(a, b) for a, b in zip(picture.shape, size[::-1]))
    frame[:height, :width] = picture[:height, :width]
    return frame


@cache
def has_display() -> bool:
    """Whether OpenCV can open a window here.

    Tried in a process of its own: without a display Qt ends the process that asks,
    which no ``except`` sees.
    """
    command = [sys.executable, '-c', OPEN_WINDOW]
    try:
        tried = subprocess.run(
            command, capture_output=True, timeout=LONGEST_TRIAL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def can_show(wanted: bool) -> bool:
    """Whether to show pictures: where they are wanted and there is a display.

    Says in one sentence that there is none.
    """
    if wanted and not has_display():
        print_log(
            'there is no display to show pictures on, so none are shown; write them to '
            'a folder instead',
            'current',
            level=logging.WARNING,
        )
        return False
    return wanted


def show_picture(picture: np.ndarray, title: str, wait_time: float = 0) -> bool:
    """Show (H, W, 3) RGB in a window; False when it was closed with q or Escape.

    Args:
        wait_time: seconds; 0 waits for a key.
    Call it only where :func:`can_show` says so.
    """
    cv2.imshow(title, np.ascontiguousarray(picture[..., ::-1]))
    key = cv2.waitKey(max(int(1000 * wait_time), 1) if wait_time else 0) & 0xFF
    return key not in (27, ord('q'))
