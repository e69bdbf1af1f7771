"""The model that comes with the package, and the file that holds it.

The file is a checkpoint of tensors and plain data:

- ``state_dict``: of the config ``dne_real``'s model;
- ``palm_detector``, ``hand_landmarker``: of the two networks that find hands
  (``PalmDetector``, ``HandLandmarker``), as ``convert_mediapipe.py`` writes them;
- ``meta``: ``format``, an integer, and where it all comes from.

Its numbers are float16; they become float32 where they are loaded into modules.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmhand_dne.compat.config_scope import PACKAGE_PATH
from mmhand_dne.engine.hooks.checkpoint_match_hook import what_differs
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import whole_file

SHIPPED_CONFIG = 'dne_real'
SHIPPED_WEIGHTS = PACKAGE_PATH / 'weights' / 'dne_real.pth'
FORMAT = 1
MODEL = 'state_dict'
FINDERS = ('palm_detector', 'hand_landmarker')
REMEDY = 'install mmhand_dne again or restore the file from its repository'


def shipped_files(
    model: object, weights: str | Path | None
) -> tuple[object, str | Path | None]:
    """Config and checkpoint of an inferencer: the shipped ones where neither is given,
    the shipped checkpoint where the config is the shipped one's name.

    Raises:
        ValueError: the shipped file is missing, damaged or of another version.
    """
    if model is None and weights is None:
        model = SHIPPED_CONFIG
    if weights is None and model == SHIPPED_CONFIG:
        weights = SHIPPED_WEIGHTS
        read_parts(weights, (MODEL, *FINDERS))
    return model, weights


def read_parts(
    path: str | Path = SHIPPED_WEIGHTS, parts: Sequence[str] = FINDERS
) -> dict[str, dict[str, Tensor]]:
    """State dicts of some parts of the file, float16 as they are in it.

    Args:
        path: the shipped file, or another with these parts.

    Raises:
        ValueError: the file is missing, damaged, or lacks a part.
    """
    if not Path(path).is_file():
        raise UserError(f'{path}: there is no such file of weights; {remedy(path)}')
    try:
        content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    except (UserError, OSError) as error:
        raise UserError(
            f'{path}: the weights cannot be read ({_reason(error, path)}); '
            f'{remedy(path)}'
        ) from error
    meta = content.get('meta') if isinstance(content, Mapping) else None
    found = meta.get('format', FORMAT) if isinstance(meta, Mapping) else FORMAT
    if found != FORMAT:
        raise UserError(
            f'{path}: the weights are of format {found}, this version reads format '
            f'{FORMAT}; {remedy(path)}'
        )
    for part in parts:
        if not isinstance(content, Mapping) or part not in content:
            raise UserError(f'{path}: the file has no {part}; {remedy(path)}')
    return {part: content[part] for part in parts}


def load_part(
    module: nn.Module, state: Mapping[str, Tensor], path: str | Path
) -> nn.Module:
    """Load one part into a module, which is returned in evaluation mode.

    Raises:
        ValueError: the tensors are not this module's.
    """
    problems = what_differs(module, dict(state_dict=state))
    if problems:
        raise UserError(
            f'{path}: is not of this version: {type(module).__name__} differs, '
            f'{"; ".join(problems)}; {remedy(path)}'
        )
    module.load_state_dict(state)
    return module.eval()


def write_weights(
    path: str | Path,
    state: Mapping[str, Tensor],
    finders: Mapping[str, Mapping[str, Tensor]],
    meta: Mapping[str, object],
) -> None:
    """Write a file like the shipped one; floating-point numbers become float16.

    Args:
        state: state dict of the config's model.
        finders: state dicts by the names in ``FINDERS``.
        meta: plain data, such as the licence and where the parts come from.
    """
    content = {MODEL: state, **{name: finders[name] for name in FINDERS}}
    packed = {name: _packed(part) for name, part in content.items()}
    with whole_file(path) as partial:
        torch.save(dict(packed, meta=dict(meta, format=FORMAT)), partial)


def remedy(path: str | Path) -> str:
    """What to do about a file that cannot be used."""
    if Path(path) == SHIPPED_WEIGHTS:
        return f'{REMEDY}, or give a config and a checkpoint'
    return 'give one that tools/model_converters/convert_mediapipe.py wrote'


def _packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in state.items()
    }


def _reason(error: Exception, path: str | Path) -> str:
    """What went wrong, without the file's name, which the sentence begins with."""
    return str(error).removeprefix(f'{path}: ').split(';')[0]
