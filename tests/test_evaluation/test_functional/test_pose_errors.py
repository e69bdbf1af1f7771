import numpy as np
import pytest
import torch

from mmhand_dne.evaluation.functional.pose_errors import (
    ERROR_NAMES,
    HandMeshPrediction,
    HandMeshTruth,
    hand_mesh_errors,
    presence_correct,
    relative_root_error,
)
from tests.oracles import pose_errors as oracle
from tests.oracles.hand_samples import SIZE, random_prediction, random_truth

TRUTH_FIELDS = {
    name: 'crop_intrinsics' if name == 'intrinsics' else f'hand_{name}'
    for name in HandMeshTruth._fields
}


def draw(seed, hand_type):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, hand_type)
    truth = {name: truth[field] for name, field in TRUTH_FIELDS.items()}
    pred = random_prediction(rng)
    return {name: pred[f'hand_{name}'] for name in HandMeshPrediction._fields}, truth


def errors(pred, truth, **kwargs):
    pred = HandMeshPrediction(**{k: torch.as_tensor(v) for k, v in pred.items()})
    truth = HandMeshTruth(**{k: torch.as_tensor(v) for k, v in truth.items()})
    return hand_mesh_errors(pred, truth, SIZE, **kwargs)


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
        pred, truth = draw(seed, hand_type)
        found = errors(pred, truth, allow_reflection=reflection)
        wanted = oracle.image_errors(pred, truth, SIZE, reflection=reflection)
        assert_equal(found, wanted)


def test_joints_without_mesh_leave_the_mesh_errors_out():
    pred, truth = draw(5, 'interacting')
    truth['vertices_valid'][:] = False
    found = errors(pred, truth)
    assert_equal(found, oracle.image_errors(pred, truth, SIZE))
    assert {k for k, v in found.items() if v.isnan()} == {
        'MPVPE',
        'PA-MPVPE',
        'MPVPE2D',
    }


def test_two_valid_joints_have_no_aligned_error():
    pred, truth = draw(6, 'right')
    truth['joints_valid'][:] = False
    truth['joints_valid'][0, [3, 7]] = True
    found = errors(pred, truth)
    assert found['PA-MPJPE'].isnan() and found['MPJPE'] > 0
    truth['joints_valid'][0, 9] = True
    assert errors(pred, truth)['PA-MPJPE'] > 0.1


def test_truth_as_prediction_has_no_3d_error():
    pred, truth = draw(7, 'interacting')
    truth['joints_valid'][:] = truth['vertices_valid'][:] = True
    shift = np.array([0.3, -0.2, 0.1])  # the wrist of the prediction is taken out
    found = errors(
        dict(pred, vertices=truth['vertices'] + shift, joints=truth['joints'] + shift),
        truth,
    )
    for name in ERROR_NAMES[:4]:
        assert found[name] < 1e-9, name


def test_similarity_changes_only_the_unaligned_errors():
    pred, truth = draw(8, 'interacting')
    truth['joints_valid'][:] = truth['vertices_valid'][:] = True
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    moved = {name: 0.7 * pred[name] @ turn.T + 0.2 for name in ('vertices', 'joints')}
    before, after = errors(pred, truth), errors({**pred, **moved}, truth)
    for name in ('PA-MPJPE', 'PA-MPVPE'):
        assert after[name] == pytest.approx(before[name].item(), rel=1e-9)
    assert abs(after['MPVPE'] - before['MPVPE']) > 1


@pytest.mark.parametrize('reflection', [False, True])
def test_mirrored_hand_is_right_only_with_reflections(reflection):
    pred, truth = draw(9, 'interacting')
    truth['joints_valid'][:] = truth['vertices_valid'][:] = True
    mirror = np.array([-1, 1, 1.0])
    pred.update(vertices=truth['vertices'] * mirror, joints=truth['joints'] * mirror)
    found = errors(pred, truth, allow_reflection=reflection)
    for name in ('PA-MPJPE', 'PA-MPVPE'):
        assert (found[name] < 1e-9) == reflection


def test_prediction_of_zeros_errs_by_the_size_of_the_hand():
    pred, truth = draw(10, 'right')
    truth['joints_valid'][0] = truth['vertices_valid'][0] = True
    zeros = {name: np.zeros_like(value) for name, value in pred.items()}
    found = errors(zeros, truth)
    joints, vertices = truth['joints'][0], truth['vertices'][0]

    def spread(points):
        return 1000 * np.linalg.norm(points, axis=-1).mean()

    assert found['MPJPE'].item() == pytest.approx(spread(joints))
    assert found['PA-MPJPE'].item() == pytest.approx(spread(joints - joints.mean(0)))
    assert found['PA-MPVPE'].item() == pytest.approx(
        spread(vertices - vertices.mean(0))
    )


def test_collinear_prediction_gives_finite_errors():
    pred, truth = draw(11, 'interacting')
    for name in ('vertices', 'joints'):
        pred[name] = pred[name][..., :1] * np.array([1.0, 2, -1])
    truth['joints_valid'][:] = truth['vertices_valid'][:] = True
    assert all(value.isfinite() for value in errors(pred, truth).values())


def test_stages_in_front_are_evaluated_alike():
    pred, truth = draw(12, 'interacting')
    other, _ = draw(13, 'interacting')
    both = {name: np.stack([pred[name], other[name]]) for name in pred}
    found = errors(both, truth)
    for i, one in enumerate((pred, other)):
        alone = errors(one, truth)
        for name in ERROR_NAMES:
            torch.testing.assert_close(
                found[name][i], alone[name], rtol=1e-12, atol=0, equal_nan=True
            )


def test_relative_root_error_equals_the_definition():
    rng = np.random.default_rng(14)
    pred, truth = rng.normal(size=(2, 2, 3))
    valid = torch.tensor([True, True])
    found = relative_root_error(torch.tensor(pred), torch.tensor(truth), valid)
    assert found.item() == pytest.approx(oracle.relative_root_error(pred, truth))
    valid[1] = False
    assert relative_root_error(torch.tensor(pred), torch.tensor(truth), valid).isnan()


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
        torch.tensor(probability), torch.tensor(presence), torch.tensor(valid).bool()
    )
    assert found.item() == pytest.approx(wanted, nan_ok=True)
