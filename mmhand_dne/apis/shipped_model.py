"""The model that comes with the package, and the file that holds it.

``publish_real.py`` writes the file, of tensors and plain data:

- ``state_dict``: of the config ``dne_real``'s model;
- ``palm_detector``, ``hand_landmarker``: of the two networks that find hands
  (``PalmDetector``, ``HandLandmarker``), as ``convert_mediapipe.py`` writes them;
- ``meta``: the licence and where it all comes from.

The model's copy of the landmark network shares its tensors with ``hand_landmarker``, so
the file has them once. Its numbers are float16; they become float32 where they are
loaded into modules.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmhand_dne.compat.config_scope import PACKAGE_PATH
from mmhand_dne.engine.hooks.checkpoint_match_hook import what_differs
from mmhand_dne.errors import UserError

SHIPPED_CONFIG = 'dne_real'
SHIPPED_WEIGHTS = PACKAGE_PATH / 'weights' / 'dne_real.pth'
MODEL = 'state_dict'
LANDMARKER = 'hand_landmarker'
FINDERS = ('palm_detector', LANDMARKER)
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


def are_shipped(config: str | None, weights: str) -> bool:
    """Whether a config's file and a checkpoint are the two that come together."""
    name = Path(config or '').stem
    return name == SHIPPED_CONFIG and weights == str(SHIPPED_WEIGHTS)


def read_parts(
    path: str | Path, parts: Sequence[str] = FINDERS
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
        content = CheckpointLoader.load_checkpoint(
            str(path), map_location='cpu', logger='silent'
        )
    except (UserError, OSError) as error:
        raise UserError(
            f'{path}: the weights cannot be read ({_reason(error, path)}); '
            f'{remedy(path)}'
        ) from error
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
            f'{path}: its {type(module).__name__} is of another version: '
            f'{"; ".join(problems)}; {remedy(path)}'
        )
    module.load_state_dict(state)
    return module.eval()


def remedy(path: str | Path) -> str:
    """What to do about a file that cannot be used."""
    if Path(path) == SHIPPED_WEIGHTS:
        return f'{REMEDY}, or give a config and a checkpoint'
    return 'give one that tools/model_converters/convert_mediapipe.py wrote'


def _reason(error: Exception, path: str | Path) -> str:
    """What went wrong, without the file's name, which the sentence begins with."""
    return str(error).removeprefix(f'{path}: ').split(';')[0]


def check_files(weights: str | Path | None, device: str | None) -> str:
    """Refuse a checkpoint or a device that is not there, before anything is built.

    Returns: the checkpoint's path.
    """
    if weights is None:
        raise UserError(
            'HandMeshInferencer needs weights: the checkpoint of the '
            'config; a model without them predicts noise. Without a config too, it is '
            'the shipped model'
        )
    weights = str(weights)
    if '://' not in weights and not Path(weights).is_file():
        raise FileNotFoundError(
            f'cannot load the checkpoint {weights}: there is no '
            'such file; check the path'
        )
    check_device(device)
    return weights


def check_device(device: str | torch.device | None) -> None:
    """Refuse a device on which torch cannot compute here; None is always right."""
    if device is None:
        return
    if str(device).startswith('cuda') and not torch.cuda.is_available():
        raise UserError(f'device {device}: torch sees no GPU here; use cpu')
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0].split('. ')[0]
        raise UserError(
            f'device {device}: torch cannot compute on it here ({reason}); use cpu, '
            'or cuda:0 where there is such a GPU'
        ) from error
