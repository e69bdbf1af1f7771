"""Untrained inferencers of small models, and images for them."""

from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.config_names import config_of

DNE, HAMER = 'dne_rendered', 'hamer-correlated_small_rendered-128x128'
# Of the demo's command: noise has no hand to look for.
WHOLE_IMAGE = ('--device', 'cpu', '--detector', 'whole_image')
SIZE = 128  # of both models' crops


# The same models for crops that are not square, width and height, and their options.
SHAPES = {DNE: (96, 128), HAMER: (128, 96)}
SHAPED = {
    DNE: {
        'test_dataloader.dataset.pipeline.1.input_size': SHAPES[DNE],
        'model.refine_head.map_size': (32, 24),
    },
    HAMER: {
        'test_dataloader.dataset.dataset.pipeline.2.input_size': SHAPES[HAMER],
        'model.mano_head.image_size': SHAPES[HAMER],
    },
}


def write_checkpoint(
    config: str, path: Path, seed: int = 0, options: dict | None = None
) -> Path:
    """Random weights, without the layers that start at zero and would hide stages."""
    init_default_scope('mmpose')
    torch.manual_seed(seed)
    model = MODELS.build(config_of(config, options).model)
    with torch.no_grad():
        for value in model.parameters():
            if value.abs().max() == 0:
                value.normal_(std=0.02)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


def tiny_inferencer(config: str, folder: Path, **options: object) -> HandMeshInferencer:
    """One whose images are boxes: what is untrained would find no hand in noise."""
    options.setdefault('det_model', 'whole_image')
    shape = options.get('cfg_options')
    path = folder / f'{config}{"_shaped" if shape else ""}.pth'
    if not path.exists():
        write_checkpoint(config, path, options=shape)
    return HandMeshInferencer(config, str(path), 'cpu', **options)


def noise_image(width: int = 200, height: int = 160, seed: int = 0) -> np.ndarray:
    """Smooth coloured noise (H, W, 3) uint8 BGR, different everywhere."""
    import cv2

    noise = np.random.default_rng(seed).integers(
        0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8
    )
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])
