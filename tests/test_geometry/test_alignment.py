import pytest
import roma
import torch

from mmhand_dne.geometry.alignment import similarity_align
from tests.oracles.pose_errors import align


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 21, 3, generator=generator, dtype=torch.float64)


def similarity(points, scale=0.3, seed=1, mirror=False):
    generator = torch.Generator().manual_seed(seed)
    quaternion = torch.randn(4, generator=generator, dtype=torch.float64)
    rotation = roma.unitquat_to_rotmat(quaternion / quaternion.norm())
    if mirror:
        points = points * points.new_tensor([-1, 1, 1])
    return scale * points @ rotation.mT + points.new_tensor([1.0, -2.0, 3.0])


def test_similarity_is_undone(points):
    moved = similarity(points)
    torch.testing.assert_close(similarity_align(moved, points), points)


def test_without_scale_only_rigid_motion_is_undone(points):
    moved = similarity(points, scale=1.0)
    aligned = similarity_align(moved, points, with_scale=False)
    torch.testing.assert_close(aligned, points)
    half = similarity_align(0.5 * moved, points, with_scale=False)
    spread = half.sub(half.mean(-2, keepdim=True)).norm()
    wanted = points.sub(points.mean(-2, keepdim=True)).norm() / 2
    torch.testing.assert_close(spread, wanted)


def test_mirror_image_is_undone_only_when_asked(points):
    moved = similarity(points, mirror=True)
    reflected = similarity_align(moved, points, allow_reflection=True)
    torch.testing.assert_close(reflected, points)
    assert similarity_align(moved, points).sub(points).norm(dim=-1).mean() > 0.1


@pytest.mark.parametrize('reflection', [False, True])
def test_masked_alignment_equals_oracle(points, reflection):
    generator = torch.Generator().manual_seed(2)
    target = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    weights = (torch.rand(points.shape[:-1], generator=generator) > 0.4).double()
    aligned = similarity_align(points, target, weights, reflection)
    for b in range(2):
        for h in range(3):
            wanted = align(points[b, h], target[b, h], weights[b, h], reflection)
            torch.testing.assert_close(aligned[b, h], torch.from_numpy(wanted))


def test_real_weights_satisfy_the_optimum(points):
    """No nearby similarity has a smaller weighted cost."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    weights = torch.rand(points.shape[:-1], generator=generator, dtype=torch.float64)
    aligned = similarity_align(points, target, weights)

    def cost(moved):
        return (weights * (moved - target).square().sum(-1)).sum(-1)

    best = cost(aligned)
    for _ in range(20):
        step = 1e-3 * torch.randn(7, generator=generator, dtype=torch.float64)
        turn = roma.rotvec_to_rotmat(step[:3])
        assert (cost((1 + step[3]) * aligned @ turn.mT + step[4:]) > best).all()


def test_source_without_spread_lands_on_the_mean(points):
    aligned = similarity_align(torch.zeros_like(points), points)
    torch.testing.assert_close(aligned, points.mean(-2, keepdim=True).expand_as(points))


def test_collinear_source_is_finite_and_optimal(points):
    line = points[..., :1] * points.new_tensor([0.2, -0.5, 1.0])
    aligned = similarity_align(line, points)
    target = points - points.mean(-2, keepdim=True)
    along = line[..., 2] - line[..., 2].mean(-1, keepdim=True)
    best = (along[..., None] * target).sum(-2).norm(dim=-1).square()
    best = target.square().sum((-2, -1)) - best / along.square().sum(-1)
    torch.testing.assert_close((aligned - points).square().sum((-2, -1)), best)


def test_no_weight_moves_nothing(points):
    weights = torch.ones(points.shape[:-1])
    weights[0, 1] = 0
    aligned = similarity_align(similarity(points), points, weights)
    torch.testing.assert_close(aligned[0, 1], similarity(points)[0, 1])
    torch.testing.assert_close(aligned[1], points[1])


def test_result_does_not_depend_on_the_batch(points):
    target = points.flip(-2)
    whole = similarity_align(points, target)
    alone = similarity_align(points[1, 2], target[1, 2])
    torch.testing.assert_close(whole[1, 2], alone, rtol=1e-12, atol=1e-12)


def test_dtype_is_kept(points):
    assert similarity_align(points.float(), points.float()).dtype == torch.float32


def test_different_shapes_are_refused(points):
    with pytest.raises(ValueError, match=r'\(2, 3, 20, 3\).*select the common points'):
        similarity_align(points[..., :20, :], points)
    with pytest.raises(ValueError, match='one per point'):
        similarity_align(points, points, points[..., :20, 0])
