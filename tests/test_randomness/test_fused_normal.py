"""The kernel of keyed draws against the plain ways, which are the reference."""

import importlib
import sys

import numpy as np
import pytest
import torch

from mmhand_dne.errors import UserError
from mmhand_dne.models.data_preprocessors.gaussian_noise import BatchGaussianNoise
from mmhand_dne.models.layers import fused_stage
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.randomness.keys import batch_keys, normal_from_keys
from tests.gpu_compiler import compiling
from tests.test_randomness.test_keys import KEYS, SHAPES, hub  # noqa: F401

KERNEL = 'mmhand_dne.randomness.fused_normal'
NO_TRITON = 'Triton is not installed: the kernel of keyed draws needs it'


@pytest.fixture(params=['cpu', 'cuda'])
def device(request, monkeypatch):
    """Where the kernel runs: on a CPU in Triton's interpreter, and on a GPU."""
    pytest.importorskip('triton', reason=NO_TRITON)
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    monkeypatch.setenv('TRITON_INTERPRET', str(int(request.param == 'cpu')))
    monkeypatch.setattr(fused_stage, 'require_kernels', lambda *device: None)
    monkeypatch.delitem(sys.modules, KERNEL, raising=False)
    importlib.import_module(KERNEL)
    yield request.param
    monkeypatch.delitem(sys.modules, KERNEL)


@pytest.mark.parametrize('block', [4, 1024])
def test_samples_are_those_of_the_plain_way(device, monkeypatch, block):
    """In float64 to its last bits, so that all 53 bits of each hash are the same."""
    monkeypatch.setattr(sys.modules[KERNEL], 'BLOCK', block)
    for shape in SHAPES if block > 4 else [(3, 5, 1), (2, 9)]:
        wanted = normal_from_keys(KEYS, shape, torch.float64)
        found = normal_from_keys(KEYS, shape, torch.float64, device, fused=True)
        assert found.shape == wanted.shape
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_samples_are_rounded_once(device, dtype):
    if device == 'cpu' and dtype == torch.bfloat16:
        pytest.skip("Triton's interpreter makes no bfloat16 of float64")
    exact = normal_from_keys(KEYS, (3, 50), torch.float64)
    found = normal_from_keys(KEYS, (3, 50), dtype, device, fused=True).cpu()
    assert found.dtype == dtype
    rounding = torch.finfo(dtype).eps / 2 * (1 + 1e-6)
    assert ((found.double() - exact).abs() <= rounding * exact.abs()).all()


def test_noise_and_stages_draw_by_the_kernel_where_they_are_asked_to(
    device,
    monkeypatch,
    hub,  # noqa: F811
):
    from mmpose.structures import PoseDataSample

    from mmhand_dne.randomness import keys as module

    started, launch = [], module.launch
    monkeypatch.setattr(
        module, 'launch', lambda *args: (started.append(args[2]), launch(*args))
    )
    samples = [PoseDataSample(metainfo=dict(sample_idx=i)) for i in (4, 900)]
    inputs, mean = torch.zeros(2, 3, 5, 5), torch.zeros(2, 1, 2, 7, 3)
    plain, fused = (
        (
            BatchGaussianNoise(0.3, fused=asked)(inputs.to(place), samples)[0],
            NoiseDraws(2, batch_keys(samples), 3, fused=asked).normal(
                1, mean.to(place)
            ),
        )
        for asked, place in ((False, 'cpu'), (True, device))
    )
    for one, other in zip(plain, fused):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-6, atol=1e-7)
        assert one.count_nonzero() > 0
    assert started == [38, 42]


@pytest.mark.parametrize('kind', ['fp32', 'bf16'])
def test_the_kernel_compiles_for_a_gpu(tmp_path, kind):
    """The interpreter takes what the compiler refuses; this needs no GPU."""
    types = dict(starts='*i64', normal='*' + kind, pairs='i32', BLOCK='constexpr')
    with compiling(KERNEL, tmp_path, NO_TRITON) as (module, compiled):
        made = compiled(module._normal, types, {'BLOCK': 1024})
    assert '.entry' in made['ptx']
    # Whole constants and a shift that brings zeros in.
    for number in ('6.2831853071795862', '1.1102230246251565E-16'):
        assert f'<{number}> : tensor<1024xf64>' in made['ttir']
    assert 'shrui' in made['ttir'] and 'shrsi' not in made['ttir']


def test_what_cannot_be_is_refused_in_one_sentence(hub):  # noqa: F811
    from mmpose.structures import PoseDataSample

    samples = [PoseDataSample(metainfo=dict(sample_idx=4))]
    with pytest.raises(UserError, match="CUDA alone.*BatchGaussianNoise's fused=False"):
        BatchGaussianNoise(0.3, fused=True)(torch.zeros(1, 3, 4, 4), samples)
    with pytest.raises(UserError, match='set model.refine_head.fused=False'):
        NoiseDraws(2, np.arange(1), fused=True).normal(0, torch.zeros(1, 1, 2, 7, 3))
