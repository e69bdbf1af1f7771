"""A backbone with 16 bits: half the memory, no second copy, nearly the same hands."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import set_precision
from tests.tiny_inferencers import DNE, HAMER, noise_image, tiny_inferencer

IMAGES = [noise_image(seed=i) for i in range(4)]
GIVEN = dict(side='right', presence_thr=0.0)


class Copies(TorchDispatchMode):
    """Counts results of operations that are as large as a weight, in float32."""

    def __init__(self, network):
        super().__init__()
        self.shapes = {
            tuple(p.shape)
            for p in network.parameters()
            if p.ndim > 1 and p.numel() > 1e3
        }
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, torch.Tensor) and one.dtype == torch.float32:
                self.count += tuple(one.shape) in self.shapes
        return found


def stored(network):
    return sum(p.numel() * p.element_size() for p in network.parameters())


def test_a_vision_transformer_takes_half_the_memory_and_says_the_same(tmp_path):
    plain = tiny_inferencer(HAMER, tmp_path)
    half = tiny_inferencer(HAMER, tmp_path, precision='bf16')
    assert stored(half.model.backbone) == stored(plain.model.backbone) // 2
    wanted = list(plain.results(IMAGES, **GIVEN))
    with Copies(half.model.backbone) as copies:
        found = list(half.results(IMAGES, **GIVEN))
    assert len(copies.shapes) > 3 and copies.count == 0
    moved = [
        np.linalg.norm(a.vertices - b.vertices, axis=-1)
        for one, other in zip(found, wanted, strict=True)
        for a, b in zip(one.hands, other.hands, strict=True)
    ]
    assert len(moved) == 4
    assert 0 < MILLIMETRES * np.mean(moved) < 0.1


def test_any_backbone_gives_float32(tmp_path):
    half = tiny_inferencer(DNE, tmp_path, precision='bf16')
    [result] = half.results(IMAGES[0], presence_thr=0.0)
    assert len(result.hands) == 2
    assert {p.dtype for p in half.model.backbone.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in half.model.mano_head.parameters()} == {torch.float32}


def test_another_precision_is_refused(tmp_path):
    with pytest.raises(UserError, match="precision 'fp8'; choose from"):
        set_precision(torch.nn.Linear(2, 2), 'fp8')
