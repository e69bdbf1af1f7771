import numpy as np
import pytest

from mmhand_dne.evaluation.functional.pose_errors import (
    ERROR_NAMES,
    HandMeshGroundTruth,
    HandMeshPrediction,
    camera_floor,
    hand_mesh_errors,
    mesh_hands,
    point_errors,
    presence_correct,
    relative_root_error,
)
from tests.oracles import pose_errors as oracle
from tests.oracles.hand_samples import SIZE, random_gt, random_prediction

GT_FIELDS = {
    name: 'crop_intrinsics' if name == 'intrinsics' else f'hand_{name}'
    for name in HandMeshGroundTruth._fields
    if name != 'size'
}


def draw(seed, hand_type):
    rng = np.random.default_rng(seed)
    gt = random_gt(rng, hand_type)
    gt = {name: gt[field] for name, field in GT_FIELDS.items()}
    pred = random_prediction(rng)
    return {name: pred[f'hand_{name}'] for name in HandMeshPrediction._fields}, gt


def errors(pred, gt, **kwargs):
    """Of one image (2, ...), or of S predictions of it (S, 2, ...)."""
    gt, hands = ground_truth(gt)
    one = pred['vertices'].ndim == 3
    pred = HandMeshPrediction(
        **{k: v[None, None] if one else v[:, None] for k, v in pred.items()}
    )
    found = hand_mesh_errors(pred, gt, hands, **kwargs)
    return {name: value[0, 0] if one else value[:, 0] for name, value in found.items()}


def ground_truth(*images):
    """Of some images, and their hands with a mesh."""
    stacked = {k: np.stack([image[k] for image in images]) for k in images[0]}
    gt = HandMeshGroundTruth(**stacked, size=np.tile(SIZE, (len(images), 1)))
    return gt, mesh_hands(gt)


def assert_equal(found, wanted):
    assert tuple(found) == ERROR_NAMES
    for name, value in found.items():
        want = float('nan') if wanted[name] is None else wanted[name]
        assert value.item() == pytest.approx(want, rel=1e-9, abs=1e-9, nan_ok=True), (
            name
        )


@pytest.mark.parametrize('reflection', [False, True])
@pytest.mark.parametrize('hand_type', ['right', 'left', 'interacting'])
def test_masked_errors_equal_the_definition(hand_type, reflection):
    for seed in range(4):
        pred, gt = draw(seed, hand_type)
        found = errors(pred, gt, allow_reflection=reflection)
        wanted = oracle.image_errors(pred, gt, SIZE, reflection=reflection)
        assert_equal(found, wanted)


def test_joints_without_mesh_leave_the_mesh_errors_out():
    pred, gt = draw(5, 'interacting')
    gt['vertices_valid'][:] = False
    found = errors(pred, gt)
    assert_equal(found, oracle.image_errors(pred, gt, SIZE))
    assert {k for k, v in found.items() if v != v} == {
        'MPVPE',
        'PA-MPVPE',
        'MPVPE2D',
    }


def test_two_valid_joints_have_no_aligned_error():
    pred, gt = draw(6, 'right')
    gt['joints_valid'][:] = False
    gt['joints_valid'][0, [3, 7]] = True
    found = errors(pred, gt)
    assert np.isnan(found['PA-MPJPE']) and found['MPJPE'] > 0
    gt['joints_valid'][0, 9] = True
    assert errors(pred, gt)['PA-MPJPE'] > 0.1


def test_ground_truth_as_prediction_has_no_3d_error():
    pred, gt = draw(7, 'interacting')
    gt['joints_valid'][:] = gt['vertices_valid'][:] = True
    shift = np.array([0.3, -0.2, 0.1])  # the wrist of the prediction is taken out
    found = errors(
        dict(pred, vertices=gt['vertices'] + shift, joints=gt['joints'] + shift),
        gt,
    )
    for name in ERROR_NAMES[:4]:
        assert found[name] < 1e-9, name


def test_similarity_changes_only_the_unaligned_errors():
    pred, gt = draw(8, 'interacting')
    gt['joints_valid'][:] = gt['vertices_valid'][:] = True
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    moved = {name: 0.7 * pred[name] @ turn.T + 0.2 for name in ('vertices', 'joints')}
    before, after = errors(pred, gt), errors({**pred, **moved}, gt)
    for name in ('PA-MPJPE', 'PA-MPVPE'):
        assert after[name] == pytest.approx(before[name].item(), rel=1e-9)
    assert abs(after['MPVPE'] - before['MPVPE']) > 1


@pytest.mark.parametrize('reflection', [False, True])
def test_mirrored_hand_is_right_only_with_reflections(reflection):
    pred, gt = draw(9, 'interacting')
    gt['joints_valid'][:] = gt['vertices_valid'][:] = True
    mirror = np.array([-1, 1, 1.0])
    pred.update(vertices=gt['vertices'] * mirror, joints=gt['joints'] * mirror)
    found = errors(pred, gt, allow_reflection=reflection)
    for name in ('PA-MPJPE', 'PA-MPVPE'):
        assert (found[name] < 1e-9) == reflection


def test_prediction_of_zeros_errs_by_the_size_of_the_hand():
    pred, gt = draw(10, 'right')
    gt['joints_valid'][0] = gt['vertices_valid'][0] = True
    zeros = {name: np.zeros_like(value) for name, value in pred.items()}
    found = errors(zeros, gt)
    joints, vertices = gt['joints'][0], gt['vertices'][0]

    def spread(points):
        return 1000 * np.linalg.norm(points, axis=-1).mean()

    assert found['MPJPE'].item() == pytest.approx(spread(joints))
    assert found['PA-MPJPE'].item() == pytest.approx(spread(joints - joints.mean(0)))
    assert found['PA-MPVPE'].item() == pytest.approx(
        spread(vertices - vertices.mean(0))
    )


def test_a_prediction_in_one_point_keeps_its_scale_wherever_it_is():
    """Its variance is rounding alone: no scale may be made of it."""
    pred, gt = draw(10, 'right')
    gt['vertices_valid'][0] = True
    pred['vertices'] = np.full_like(pred['vertices'], 0.7) + np.array([0.1, 0.3, 1.1])
    found, vertices = errors(pred, gt)['PA-MPVPE'], 1000 * gt['vertices'][0]
    spread = np.linalg.norm(vertices - vertices.mean(0), axis=-1).mean()
    assert found.item() == pytest.approx(spread, rel=1e-9)


def test_collinear_prediction_gives_finite_errors():
    pred, gt = draw(11, 'interacting')
    for name in ('vertices', 'joints'):
        pred[name] = pred[name][..., :1] * np.array([1.0, 2, -1])
    gt['joints_valid'][:] = gt['vertices_valid'][:] = True
    assert all(np.isfinite(value) for value in errors(pred, gt).values())


def test_stages_in_front_are_evaluated_alike():
    pred, gt = draw(12, 'interacting')
    other, _ = draw(13, 'interacting')
    both = {name: np.stack([pred[name], other[name]]) for name in pred}
    found = errors(both, gt)
    for i, one in enumerate((pred, other)):
        alone = errors(one, gt)
        for name in ERROR_NAMES:
            np.testing.assert_equal(found[name][i], alone[name])  # to the bit


def test_image_points_and_the_cameras_floor_equal_the_definition():
    images = [draw(seed, 'interacting')[1] for seed in range(3)]
    images[2]['root_valid'][:] = False
    points = np.random.default_rng(0).uniform(
        -1, 1, (2, 3, *images[0]['vertices'].shape)
    )
    points = points[..., :2]
    _, hands = ground_truth(*images)
    floor, moved = camera_floor(hands, 3), point_errors(points, hands, 3)
    for b, gt in enumerate(images[:2]):
        assert floor[b] == pytest.approx(oracle.floor_error(gt), rel=1e-9, abs=1e-9)
        for s in range(2):
            wanted = oracle.points_error(points[s, b], gt, SIZE)
            assert moved[s, b] == pytest.approx(wanted, rel=1e-9)
    assert np.isnan(floor[2]) and np.isnan(moved[:, 2]).all()


def test_images_do_not_change_each_other():
    drawn = [draw(seed, 'interacting') for seed in range(3)]
    gt, hands = ground_truth(*(image for _, image in drawn))
    pred = HandMeshPrediction(
        **{k: np.stack([p[k] for p, _ in drawn])[None] for k in drawn[0][0]}
    )
    found = hand_mesh_errors(pred, gt, hands)
    for b, (own, image) in enumerate(drawn):
        for name, value in errors(own, image).items():
            np.testing.assert_equal(found[name][0, b], value)


def test_relative_root_error_equals_the_definition():
    rng = np.random.default_rng(14)
    pred, gt = rng.normal(size=(2, 2, 3))
    valid = np.array([True, True])
    found = relative_root_error(pred, gt, valid)
    assert found.item() == pytest.approx(oracle.relative_root_error(pred, gt))
    valid[1] = False
    assert np.isnan(relative_root_error(pred, gt, valid))


@pytest.mark.parametrize(
    ('probability', 'presence', 'valid', 'wanted'),
    [
        ((0.9, 0.1), (1, 0), (1, 1), 1),
        ((0.9, 0.6), (1, 0), (1, 1), 0),
        ((0.9, 0.6), (1, 0), (1, 0), 1),
        ((0.4, 0.6), (1, 0), (0, 0), float('nan')),
    ],
)
def test_presence_is_right_when_every_known_slot_is(
    probability, presence, valid, wanted
):
    found = presence_correct(
        np.array(probability), np.array(presence), np.array(valid) > 0
    )
    assert found.item() == pytest.approx(wanted, nan_ok=True)
