"""The kernels of a stage against the plain paths, the voxel grid and differences."""

import importlib
import sys

import pytest
import torch

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.sampling import bilinear
from mmhand_dne.geometry.three_view import three_view_features
from mmhand_dne.hand_model import HandPair
from mmhand_dne.models.heads import DNEHead
from mmhand_dne.models.layers import fused_stage
from mmhand_dne.models.layers.dne_stage import DNEStage, Regressed
from mmhand_dne.models.layers.fused_stage import (
    fused_bilinear,
    fused_three_view_features,
)
from mmhand_dne.models.necks import ThreeViewVoxelNeck
from mmhand_dne.structures.hand_state import HandState
from tests.gpu_compiler import compiling
from tests.oracles.three_view_grid import dense_grid_features

KERNELS = 'mmhand_dne.models.layers.fused_kernels'
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
NO_TRITON = 'Triton is not installed: the kernels of a stage need it'


@pytest.fixture(scope='module', params=['cpu', 'cuda'])
def device(request):
    """Where the kernels run: on a CPU in Triton's interpreter, and on a GPU."""
    pytest.importorskip('triton', reason=NO_TRITON)
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TRITON_INTERPRET', str(int(request.param == 'cpu')))
        patch.setattr(fused_stage, 'require_kernels', lambda device: None)
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
    launch = fused_stage.launch
    monkeypatch.setattr(
        fused_stage, 'launch', lambda *args: (started.append(args[0]), launch(*args))
    )
    assert torch.equal(ThreeViewVoxelNeck(3)(features[None], vertices[None]), wanted)
    assert not started
    fused = ThreeViewVoxelNeck(3, fused=True)(features[None], vertices[None])
    assert torch.equal(fused, wanted) and started == ['pool']


def maps(device, dtype, size=(4, 6), count=9, channels=5, seed=0):
    """Maps, points of which a third lies outside or on centres, and a gradient."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(2, channels, *size, generator=draw)
    points = 3 * torch.rand(2, count, 2, generator=draw) - 1.5
    points[:, 0], points[:, 1] = torch.tensor([1 / 6, -1 / 4]), torch.tensor([-9.0, 9])
    grad = torch.randn(2, count, channels, generator=draw)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    return features.to(device, dtype), points.to(device, exact), grad.to(device, dtype)


def read_and_gradients(function, features, points, grad):
    leaves = features.clone().requires_grad_(), points.clone().requires_grad_()
    read = function(*leaves)
    return read, *torch.autograd.grad(read, leaves, grad)


@pytest.mark.parametrize('dtype', DTYPES)
def test_reads_and_their_gradients_are_the_exact_ones_to_one_rounding(device, dtype):
    given = maps(device, dtype)
    exact = [values.double() for values in given]
    wanted = read_and_gradients(bilinear, *exact)
    found = read_and_gradients(fused_bilinear, *given)
    rounding = torch.finfo(dtype).eps / 2
    if device == 'cpu' and dtype == torch.bfloat16:
        rounding *= 2  # Triton's interpreter cuts bits off where a GPU rounds
    sums = 1e-14 if dtype == torch.float64 else 1e-5  # as in the test of the views
    for ours, reference in zip(found, wanted):
        torch.testing.assert_close(ours.double(), reference, rtol=rounding, atol=sums)
    assert [values.dtype for values in found] == [dtype, dtype, given[1].dtype]
    outside = (given[1] < -1) | (given[1] > 1)
    assert not found[2][outside].any() and found[2].count_nonzero() > 0


def test_gradients_of_reads_are_finite_differences(device):
    features, points, _ = maps(device, torch.float64, (3, 3), 4, 2)
    leaves = features.requires_grad_(), points.requires_grad_()
    # Point 0 lies on a centre, where left and right derivative differ.
    assert torch.autograd.gradcheck(
        lambda features, points: fused_bilinear(features, points[:, 1:]),
        leaves,
        eps=1e-5,
        nondet_tol=1e-12,
        fast_mode=True,
    )


@pytest.mark.parametrize('size', [(1, 1), (1, 4), (4, 1)])
def test_a_map_of_one_row_or_column_is_read(device, size):
    given = maps(device, torch.float64, size)
    found = read_and_gradients(fused_bilinear, *given)
    torch.testing.assert_close(found, read_and_gradients(bilinear, *given))


def test_channels_of_a_map_beyond_a_block_are_read(device, monkeypatch):
    monkeypatch.setattr(sys.modules[KERNELS], 'MAX_BLOCK', 4)
    given = maps(device, torch.float64, channels=9)
    found = read_and_gradients(fused_bilinear, *given)
    torch.testing.assert_close(found, read_and_gradients(bilinear, *given))


def test_a_point_that_is_nowhere_reads_inside_the_map(device):
    features, points, grad = maps(device, torch.float32)
    points[1, 2] = float('nan')
    read, of_map, of_points = read_and_gradients(fused_bilinear, features, points, grad)
    assert torch.equal(read[1, 2], features[1, :, 0, 0])
    assert of_map.isfinite().all() and not of_points[1, 2].any()


def test_deterministic_algorithms_read_by_the_plain_path(device, monkeypatch):
    features, points, _ = maps(device, torch.float32)
    monkeypatch.delattr(fused_stage, 'launch')  # a kernel would fail
    torch.use_deterministic_algorithms(True)
    try:
        read = fused_bilinear(features, points)
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(read, bilinear(features, points))


def test_a_stage_reads_by_kernels_where_it_is_asked_to(device, monkeypatch):
    started, launch = [], fused_stage.launch
    monkeypatch.setattr(
        fused_stage, 'launch', lambda *args: (started.append(args[0]), launch(*args))
    )
    features, points, _ = maps(device, torch.float32)
    pair = HandPair()
    plain, fused = (DNEStage(5, pair, fused=fused).eval() for fused in (False, True))
    wanted = plain.read(plain.ready(features), points)
    assert not started and plain.ready(features) is features
    ready = fused.ready(features)
    assert ready.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(fused.read(ready, points), wanted)
    image = fused.read_image(ready, points[:, None, None])[:, 0, 0]
    torch.testing.assert_close(image, wanted)
    fused.estimate_2d(
        ready,
        points[:, None],
        points.new_zeros(2, 1, 9, 3),
        Regressed(points[:, None], wanted[:, None]),
    )
    assert started == ['read'] * 3
    assert fused.views.fused and not plain.views.fused


def test_kernels_compile_for_a_gpu(tmp_path):
    """The interpreter takes what the compiler refuses; this needs no GPU."""
    half, whole, index = '*bf16', '*fp32', '*i32'
    lists = dict(order=index, first=index, end=index)
    side = dict(height='i32', width='i32')
    own = {
        'pool': {**lists, 'read': half},
        'share': {**lists, 'grad': half, 'result': half},
        'read': dict(points=whole, read=half, **side),
        'spread': dict(points=whole, grad=half, total=whole, moved=whole, **side),
    }
    with compiling(KERNELS, tmp_path, NO_TRITON) as (kernels, compiled):
        assert set(own) == set(kernels.KERNELS)
        for name, kernel in kernels.KERNELS.items():
            types = {'features': half, **own[name], 'count': 'i32', 'channels': 'i32'}
            types = {
                argument: types.get(argument, 'constexpr')
                for argument in kernel.arg_names
            }
            constants = {'TYPE': kernels.tl.float32, 'BLOCK': 256}
            made = compiled(kernel, types, constants, num_warps=2)
            assert '.entry' in made['ptx']


def test_what_cannot_be_is_refused_in_one_sentence(monkeypatch):
    features, vertices = torch.rand(2, 9, 4), torch.rand(2, 9, 3)
    with pytest.raises(UserError, match='computes on CUDA alone.*fused=False$'):
        ThreeViewVoxelNeck(4, fused=True)(features, vertices)
    with pytest.raises(UserError, match='computes on CUDA alone'):
        ThreeViewVoxelNeck(4, fused=True).pool(features, vertices)
    monkeypatch.setattr(fused_stage, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='needs Triton, which is not installed'):
        fused_stage.require_kernels(torch.device('cuda'))


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
