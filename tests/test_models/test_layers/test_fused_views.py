"""The kernels of the three views against the plain path and the voxel grid."""

import importlib
import sys
from types import SimpleNamespace

import pytest
import torch

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.three_view import three_view_features
from mmhand_dne.models.heads import DNEHead
from mmhand_dne.models.layers import fused_views
from mmhand_dne.models.layers.fused_views import fused_three_view_features
from mmhand_dne.models.necks import ThreeViewVoxelNeck
from mmhand_dne.structures.hand_state import HandState
from tests.oracles.three_view_grid import dense_grid_features

KERNELS = 'mmhand_dne.models.layers.fused_kernels'
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
NO_TRITON = 'Triton is not installed: the kernels of the three views need it'


@pytest.fixture(scope='module', params=['cpu', 'cuda'])
def device(request):
    """Where the kernels run: on a CPU in Triton's interpreter, and on a GPU."""
    pytest.importorskip('triton', reason=NO_TRITON)
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TRITON_INTERPRET', str(int(request.param == 'cpu')))
        patch.setattr(fused_views, 'require_kernels', lambda features: None)
        sys.modules.pop(KERNELS, None)
        importlib.import_module(KERNELS)
        yield request.param
    sys.modules.pop(KERNELS, None)


def hands(device, dtype, count=14, channels=5, groups=2, seed=0):
    """Features with many ties, as a ReLU's zeros are, vertices, and a gradient."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(groups, count, channels, generator=draw).relu()
    vertices = 0.05 * torch.randn(groups, count, 3, generator=draw)
    grad = torch.randn(groups, count, 3, channels, generator=draw)
    return features.to(device, dtype), vertices.to(device), grad.to(device, dtype)


def read_and_gradient(function, features, vertices, grad, cells):
    leaf = features.clone().requires_grad_()
    read = function(leaf, vertices, cells)
    return read, *torch.autograd.grad(read, leaf, grad)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('cells', [1, 3])
def test_what_vertices_read_is_the_plain_paths_to_the_bit(device, dtype, cells):
    features, vertices, _ = hands(device, dtype)
    read = fused_three_view_features(features, vertices, cells)
    assert torch.equal(read, three_view_features(features, vertices, cells))
    assert read.dtype == dtype and read.count_nonzero() > 0


@pytest.mark.parametrize('dtype', DTYPES)
def test_gradients_are_the_exact_ones_to_one_rounding(device, dtype):
    features, vertices, grad = hands(device, dtype)
    exact = features.double(), vertices, grad.double()
    _, wanted = read_and_gradient(three_view_features, *exact, 3)
    _, found = read_and_gradient(fused_three_view_features, features, vertices, grad, 3)
    rounding = torch.finfo(dtype).eps / 2
    if device == 'cpu' and dtype == torch.bfloat16:
        rounding *= 2  # Triton's interpreter cuts bits off where a GPU rounds
    # Beside the rounding of the result: of sums in float32, of numbers below 4.
    sums = 0 if dtype == torch.float64 else 64 * torch.finfo(torch.float32).eps
    torch.testing.assert_close(
        found.double(), wanted, rtol=rounding, atol=max(sums, 1e-14)
    )
    assert found.dtype == dtype and found.count_nonzero() > 0


@pytest.mark.parametrize('cells', [1, 4])
def test_output_and_gradient_are_those_of_the_voxel_grid(device, cells):
    features, vertices, grad = hands(device, torch.float64)
    order = torch.randperm(features.numel(), device=device)  # the grid's has no ties
    features = order.view_as(features).double()
    given = features, vertices.double(), grad
    wanted = read_and_gradient(dense_grid_features, *given, cells)
    found = read_and_gradient(fused_three_view_features, *given, cells)
    torch.testing.assert_close(found, wanted)


def test_gradients_are_finite_differences(device):
    features, vertices, _ = hands(device, torch.float64, 6, 2, groups=1)
    distinct = torch.randperm(features.numel(), device=device).view_as(features)
    leaf = distinct.double().requires_grad_()

    def read(features):
        return fused_three_view_features(features, vertices, 2)

    # Linear between the ties, so that steps may be long.
    assert torch.autograd.gradcheck(read, leaf, eps=1e-3, fast_mode=True)


def test_ties_share_the_gradient(device):
    vertices = torch.zeros(1, 3, 3, device=device)
    vertices[0, 2] = 1.0  # the first two share every cell
    leaf = torch.tensor([[[5.0], [5.0], [1.0]]], device=device, requires_grad=True)
    fused_three_view_features(leaf, vertices, 2).sum().backward()
    # Two vertices read the tied maximum in three views; each gets half of 6.
    assert leaf.grad.flatten().tolist() == [3.0, 3.0, 3.0]


def test_a_hand_alone_reads_what_it_reads_beside_another(device):
    given = hands(device, torch.float32)
    both = read_and_gradient(fused_three_view_features, *given, 3)
    alone = read_and_gradient(fused_three_view_features, *(x[:1] for x in given), 3)
    for one, two in zip(alone, both):
        assert torch.equal(one, two[:1])


def test_a_hand_that_no_loss_asks_gets_no_gradient(device):
    features, vertices, grad = hands(device, torch.bfloat16)
    grad[1] = 0
    _, found = read_and_gradient(fused_three_view_features, features, vertices, grad, 3)
    assert found[0].count_nonzero() > 0 and not found[1].any()


def test_all_that_is_returned_is_written(device):
    """New memory holds NaN where deterministic algorithms are asked for."""
    for dtype in (torch.float32, torch.bfloat16):
        given = hands(device, dtype, groups=1)
        torch.use_deterministic_algorithms(True)
        try:
            found = read_and_gradient(fused_three_view_features, *given, 3)
        finally:
            torch.use_deterministic_algorithms(False)
        assert all(values.isfinite().all() for values in found)


def test_channels_beyond_a_block_are_another_programs(device, monkeypatch):
    monkeypatch.setattr(sys.modules[KERNELS], 'MAX_BLOCK', 4)
    given = hands(device, torch.float32, channels=9, groups=1)
    found = read_and_gradient(fused_three_view_features, *given, 3)
    wanted = read_and_gradient(three_view_features, *given, 3)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_rows_may_lie_apart(device):
    features, vertices, grad = hands(device, torch.float32)
    apart = features.transpose(1, 2).contiguous().transpose(1, 2)
    grad_apart = grad.movedim(-1, 0).contiguous().movedim(0, -1)
    assert not apart.is_contiguous() and not grad_apart.is_contiguous()
    read = fused_three_view_features(apart.requires_grad_(), vertices, 3)
    found = torch.autograd.grad(read, apart, grad_apart)[0]
    wanted = read_and_gradient(fused_three_view_features, features, vertices, grad, 3)
    assert torch.equal(read, wanted[0]) and torch.equal(found, wanted[1])


def test_coincident_vertices_and_numbers_that_are_none(device):
    """NaN is the maximum of its cell, as on the plain path: it is not hidden."""
    features, vertices, grad = hands(device, torch.float32, count=6, groups=1)
    features[0, 2, 1], features[0, :, 3] = float('nan'), float('-inf')
    for given in (vertices, torch.zeros_like(vertices)):
        found = read_and_gradient(fused_three_view_features, features, given, grad, 4)
        wanted = read_and_gradient(three_view_features, features, given, grad, 4)
        torch.testing.assert_close(found, wanted, equal_nan=True, rtol=0, atol=1e-6)
        assert found[0].isnan().any()


def test_the_neck_takes_the_kernels_where_it_is_asked_to(device, monkeypatch):
    features, vertices, _ = hands(device, torch.float32)
    wanted = ThreeViewVoxelNeck(3)(features[None], vertices[None])
    started = []
    launch = fused_views.launch
    monkeypatch.setattr(
        fused_views, 'launch', lambda *args: (started.append(args[0]), launch(*args))
    )
    assert torch.equal(ThreeViewVoxelNeck(3)(features[None], vertices[None]), wanted)
    assert not started
    fused = ThreeViewVoxelNeck(3, fused=True)(features[None], vertices[None])
    assert torch.equal(fused, wanted) and started == ['pool']


def test_kernels_compile_for_a_gpu(monkeypatch, tmp_path):
    """The interpreter takes what the compiler refuses; this needs no GPU."""
    triton = pytest.importorskip('triton', reason=NO_TRITON)
    compiler = importlib.import_module('triton.compiler')
    target = importlib.import_module('triton.backends.compiler').GPUTarget
    monkeypatch.setenv('TRITON_INTERPRET', '0')
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    monkeypatch.delitem(sys.modules, KERNELS, raising=False)
    kernels = importlib.import_module(KERNELS)
    types = dict(count='i32', channels='i32', TYPE='constexpr', BLOCK='constexpr')
    lists = dict(features='*bf16', order='*i32', first='*i32', end='*i32')
    rest = dict(grad='*bf16', result='*bf16')
    for kernel, own in ((kernels._pool, dict(read='*bf16')), (kernels._share, rest)):
        source = compiler.ASTSource(
            kernel,
            {**lists, **own, **types},
            {'TYPE': kernels.tl.float32, 'BLOCK': 256},
        )
        made = triton.compile(source, target('cuda', 90, 32), {'num_warps': 2})
        assert '.entry' in made.asm['ptx']
    monkeypatch.delitem(sys.modules, KERNELS)


def test_what_cannot_be_is_refused_in_one_sentence(monkeypatch):
    features, vertices = torch.rand(2, 9, 4), torch.rand(2, 9, 3)
    with pytest.raises(UserError, match='computes on CUDA alone.*fused=False$'):
        ThreeViewVoxelNeck(4, fused=True)(features, vertices)
    with pytest.raises(UserError, match='computes on CUDA alone'):
        ThreeViewVoxelNeck(4, fused=True).pool(features, vertices)
    monkeypatch.setattr(fused_views, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='needs Triton, which is not installed'):
        fused_views.require_kernels(SimpleNamespace(is_cuda=True))


@pytest.mark.parametrize('training', [False, True])
def test_a_head_on_a_cpu_does_not_fall_back(training):
    head = DNEHead(8, dict(type='HandPair'), 4, num_stages=1, fused=True)
    coarse = HandState(
        torch.rand(1, 2, 778, 3) * 0.1,
        torch.rand(1, 2, 21, 3),
        torch.zeros(1, 2, 3),
        torch.ones(1, 2, 2, 2),
    )
    with pytest.raises(UserError, match=r'set model\.refine_head\.fused=False'):
        head.train(training)(torch.rand(1, 8, 4, 4), coarse)
