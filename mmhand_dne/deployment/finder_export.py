"""Writing the two networks that find hands, each as an ONNX file of its own.

They lie beside a model's: ``hands.onnx`` has ``hands.palms.onnx`` and
``hands.landmarks.onnx``, by which ``run_onnx.py`` finds the hands of a photo.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmhand_dne.geometry.hand_rois import (
    BOX_SCALE,
    PALM_MIDDLE,
    PALM_SCALE,
    PALM_SHIFT,
    PALM_WRIST,
)
from mmhand_dne.models.detectors import HandFinder, hand_finder, hand_landmarker
from mmhand_dne.version import __version__

from .description import SCHEMA
from .finder_networks import LandmarkNetwork, PalmNetwork
from .onnx_check import Difference, compare_all, example_crops, open_session
from .onnx_export import store, trace

LICENCE = (
    'This file contains a network of MediaPipe Hands, (c) The MediaPipe Authors, '
    'converted; Apache License 2.0.'
)
PALMS, LANDMARKS = 'palms', 'landmarks'
MULTIPLE = 32  # pixels, of a square's side
CHECKED_SIDES = (192, 128)  # of squares; 128 is none that was exported


def finder_files(path: Path) -> dict[str, Path]:
    """The files beside a model's, by the names of the networks."""
    return {name: path.with_suffix(f'.{name}.onnx') for name in (PALMS, LANDMARKS)}


def _header(kind: str) -> dict[str, Any]:
    """What the file of any network says first."""
    writer = f'mmhand_dne {__version__}'
    return dict(schema=SCHEMA, kind=kind, writer=writer, licence=LICENCE)


def describe_palms(finder: HandFinder) -> dict[str, Any]:
    """What the palm network's file says about itself and how it is used."""
    detector = finder.palm_detector
    return dict(
        **_header(PALMS),
        size=detector.size,
        score_thr=detector.score_thr,
        second_pass=list(detector.second_pass),
        second_thr=detector.second_thr,
        nms_thr=detector.nms_thr,
        palm_wrist=PALM_WRIST,
        palm_middle=PALM_MIDDLE,
        palm_scale=PALM_SCALE,
        palm_shift=PALM_SHIFT,
    )


def describe_landmarks(finder: HandFinder) -> dict[str, Any]:
    """What the landmark network's file says about itself and how it is used."""
    return dict(
        **_header(LANDMARKS),
        crop_size=hand_landmarker.SIZE,
        least_side=hand_landmarker.LEAST_SIDE,
        most_times=hand_landmarker.MOST_TIMES,
        box_scale=BOX_SCALE,
        followed=hand_landmarker.FOLLOWED,
        wrong_side=hand_landmarker.WRONG_SIDE,
        angles=hand_landmarker.ANGLES,
        rounds=hand_landmarker.ROUNDS,
        presence_thr=finder.presence_thr,
        search_thr=finder.search_thr,
        double_thr=finder.double_thr,
        at_least=finder.at_least,
        most=finder.most,
        palm_joints=hand_finder.PALM_JOINTS,
        same_palm=hand_finder.SAME_PALM,
        hopeless=hand_finder.HOPELESS,
    )


def export_finder(
    finder: HandFinder, files: dict[str, Path]
) -> dict[str, dict[str, Difference]]:
    """Write both networks, and compare them with PyTorch.

    Args:
        finder: in evaluation mode, on the CPU.
        files: see :func:`finder_files`.
    Returns: by network and output.
    Raises:
        Mismatch: see :func:`check_onnx`.
    """
    networks = {
        PALMS: (PalmNetwork(finder.palm_detector), palm_inputs(2, 192)),
        LANDMARKS: (LandmarkNetwork(finder.landmarker), landmark_inputs(2)),
    }
    about = {PALMS: describe_palms(finder), LANDMARKS: describe_landmarks(finder)}
    for name, (network, inputs) in networks.items():
        write(network.eval(), inputs, files[name], about[name])
    checked = {
        PALMS: [palm_inputs(1, side) for side in CHECKED_SIDES],
        LANDMARKS: [landmark_inputs(count) for count in (1, 3)],
    }
    return {
        name: check(networks[name][0], files[name], checked[name]) for name in files
    }


def palm_inputs(count: int, side: int) -> dict[str, Tensor]:
    """Made-up pictures for the palm network."""
    return dict(squares=example_crops(count, side))


def landmark_inputs(count: int) -> dict[str, Tensor]:
    """Made-up crops and squares for the landmark network."""
    squares = torch.tensor([[320.0, 200.0, 300.0, 0.7], [90.0, 50.0, 60.0, -2.0]])
    crops = example_crops(count, hand_landmarker.SIZE)
    return dict(crops=crops, squares=squares[torch.arange(count) % len(squares)])


@torch.no_grad()
def write(
    network: nn.Module, inputs: dict[str, Tensor], path: Path, about: dict[str, Any]
) -> None:
    """Write a network for any number of pictures; of squares, for any side too."""
    shapes = {name: {0: torch.export.Dim('batch')} for name in inputs}
    if 'crops' not in inputs:
        side = MULTIPLE * torch.export.Dim('cells', min=2, max=64)
        shapes['squares'].update({1: side, 2: side})
    program = trace(network, inputs, list(network(**inputs)), shapes)
    store(program.model, about, about['licence'])
    program.save(path)


@torch.no_grad()
def check(
    network: nn.Module, path: Path, several: list[dict[str, Tensor]]
) -> dict[str, Difference]:
    """The largest differences between file and network, by output."""
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    found: dict[str, list[Difference]] = {name: [] for name in names}
    for inputs in several:
        wanted = {name: value.numpy() for name, value in network(**inputs).items()}
        feed = {name: value.numpy() for name, value in inputs.items()}
        given: dict[str, np.ndarray] = dict(zip(names, session.run(None, feed)))
        for name, difference in compare_all(path, given, wanted).items():
            found[name].append(difference)
    return {
        name: Difference(*(max(part) for part in zip(*several)))
        for name, several in found.items()
    }
