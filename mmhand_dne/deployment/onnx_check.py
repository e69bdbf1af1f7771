"""Comparing an exported file, run by ONNX Runtime, with the PyTorch model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import crop_sides
from mmhand_dne.models.necks.three_view_voxel_neck import ThreeViewVoxelNeck

from .hand_network import HandNetwork

if TYPE_CHECKING:
    import onnxruntime

METRES = ('vertices', 'joints', 'coarse_vertices', 'coarse_joints')
Size = int | Sequence[int]
TOLERANCE = 1e-4  # metres, of the largest difference of a coordinate
RELATIVE = 1e-3  # of an output's largest value, for all others
# Share of a hand's extent. Rounding moves vertices by less; one that lies closer to a
# border between two cells of the three views may be read from either side of it.
NEAR = 2e-6
TRIES = 60  # made-up crops to look at for each one that is away from all borders


class Mismatch(UserError):
    """The exported file does not compute what the model does."""


class Difference(NamedTuple):
    """An output's largest difference and its largest value, in the output's unit."""

    error: float
    size: float


def example_crops(count: int, size: Size, seed: int = 0) -> Tensor:
    """(count, H, W, 3) uint8: coloured clouds, the same for the same seed.

    Args:
        size: (W, H) or the side of a square, pixels.
    """
    width, height = crop_sides(size)
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode='bicubic')
    grain = torch.rand(count, 3, height, width, generator=generator)
    pixels = 255 * (0.9 * smooth + 0.1 * grain).clamp(0, 1)
    return pixels.permute(0, 2, 3, 1).to(torch.uint8)


def border_distance(network: HandNetwork, crops: Tensor) -> Tensor:
    """How far a crop's vertices stay from the borders between the views' cells.

    Returns: (N,) share of the hand's extent; infinite for models without the views.
    """
    found = [torch.full((len(crops),), torch.inf)]

    def note(neck: ThreeViewVoxelNeck, args: tuple) -> None:
        vertices, cells = args[1], neck.num_cells  # (N, S, V, 3)
        low = vertices.amin(-2, keepdim=True)
        extent = (vertices.amax(-2, keepdim=True) - low).amax(-1, keepdim=True)
        position = (vertices - low) / extent * cells
        if cells > 1:  # the outer borders bind nothing: cells are clamped there
            border = position.round().clamp(1, cells - 1)
            away = (position - border).abs() / cells
            found.append(away.flatten(1).amin(1))

    hooks = [
        part.register_forward_pre_hook(note)
        for part in network.modules()
        if isinstance(part, ThreeViewVoxelNeck)
    ]
    try:
        with torch.no_grad():
            network(crops)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(found).amin(0)


def steady_crops(network: HandNetwork, count: int, size: Size, seed: int = 0) -> Tensor:
    """Made-up crops on which rounding cannot change what a vertex reads.

    The three views are not continuous: a vertex on a border between two cells reads
    one or the other, and two correct programs may differ there by millimetres.

    Returns: (count, H, W, 3) uint8.
    Raises: ValueError where hardly any crop is such.
    """
    kept: list[Tensor] = []
    for attempt in range(TRIES * count):
        crop = example_crops(1, size, 1000 * seed + attempt)
        if border_distance(network, crop) > NEAR:
            kept.append(crop)
        if len(kept) == count:
            return torch.cat(kept)
    raise UserError(
        f'of {TRIES * count} made-up crops only {len(kept)} have all vertices away '
        'from the borders of cells, so nothing can be compared; train the model further'
    )


def open_session(path: Path, threads: int = 0) -> 'onnxruntime.InferenceSession':
    """A session of ONNX Runtime on the CPU; 0 threads: all cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        str(path), options, providers=['CPUExecutionProvider']
    )


def check_onnx(
    network: HandNetwork,
    path: Path,
    batch: int | None,
    size: Size,
    sizes: Sequence[int] = (1, 3),
) -> dict[str, Difference]:
    """Run file and model on the same crops.

    Args:
        network: in evaluation mode, on the CPU.
        path: the exported file.
        batch: the file's; None: any, and ``sizes`` are tried, none of which is the
            one that was exported.
        size: of a crop, (W, H) or its side, pixels.
    Returns: by output.
    Raises:
        Mismatch: vertices or joints differ by more than 1e-4 m, or another output by
            more than 1e-3 of its largest value.
    """
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    found: dict[str, Difference] = {}
    for count in [batch] if batch else sizes:
        crops = steady_crops(network, count, size)
        with torch.no_grad():
            wanted = {k: v.numpy() for k, v in network(crops).items()}
        given = dict(zip(names, session.run(None, {'crops': crops.numpy()})))
        for name, new in compare_all(path, given, wanted).items():
            old = found.get(name, new)
            found[name] = Difference(max(old.error, new.error), max(old.size, new.size))
    return found


def compare_all(
    path: Path, given: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> dict[str, Difference]:
    """Differences by output; raises :class:`Mismatch`, also for missing outputs."""
    if set(given) != set(wanted):
        raise Mismatch(
            f'{path}: outputs {sorted(given)}, expected '
            f'{sorted(wanted)}; export it again'
        )
    return {name: compare(path, name, given[name], wanted[name]) for name in given}


def compare(path: Path, name: str, given: np.ndarray, wanted: np.ndarray) -> Difference:
    """Difference of an output; raises :class:`Mismatch` beyond what is tolerated."""
    if given.shape != wanted.shape:
        raise Mismatch(
            f'{path}: {name} has shape {given.shape} in ONNX Runtime, '
            f'{wanted.shape} in PyTorch; do not use it'
        )
    difference = Difference(
        float(np.abs(given - wanted).max()), float(np.abs(wanted).max())
    )
    limit = TOLERANCE if name in METRES else RELATIVE * max(difference.size, 1e-6)
    if not difference.error <= limit:  # NaN too
        raise Mismatch(
            f'{path}: {name} differs by {difference.error:.3g} between ONNX Runtime '
            f'and PyTorch, at most {limit:.3g} is tolerated; do not use the file, and '
            'try other versions of torch, onnxscript or onnxruntime'
        )
    return difference
