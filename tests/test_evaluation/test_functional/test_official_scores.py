import json
import os
from pathlib import Path

import numpy as np
import pytest

from mmhand_dne.evaluation.functional.official_scores import (
    official_align,
    official_scores,
)
from tests.oracles import official_scores as oracle

# READMEs of the two data sets: all-zero predictions; cm, printed with two digits.
ZERO_FREIHAND = dict(
    xyz_mean3d=70.79, xyz_al_mean3d=4.73, mesh_mean3d=70.84, mesh_al_mean3d=5.07
)
ZERO_HO3D = dict(
    xyz_mean3d=56.87,
    xyz_procrustes_al_mean3d=5.19,
    mesh_mean3d=57.12,
    mesh_al_mean3d=5.47,
)


def hands(images=2):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(images, 1, 3)) * 0.1 + [0, 0, 0.7]
    return [centre + 0.04 * rng.normal(size=(images, n, 3)) for n in (21, 50)]


def noisy(points):
    return points + 0.005 * np.random.default_rng(1).normal(size=points.shape)


def collinear(points):
    return points[..., :1] * np.array([1.0, 2.0, -1.0]) + 0.1


# Without the truth itself: whether rounding leaves 0 or 1e-17 decides its AUC at 0.
CHANGES = dict(
    noisy=noisy,
    random=lambda p: np.random.default_rng(2).normal(size=p.shape),
    mirrored=lambda p: noisy(p) * [-1, 1, 1],
    collinear=collinear,
    zero=np.zeros_like,
)


@pytest.mark.parametrize('protocol', ['freihand', 'ho3d'])
@pytest.mark.parametrize('change', CHANGES)
def test_scores_equal_the_definition(change, protocol):
    truth = hands()
    pred = [CHANGES[change](points) for points in truth]
    found = official_scores(pred, truth, protocol)
    wanted = oracle.scores(pred, truth, protocol)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_a_mirrored_similar_hand_aligns_exactly():
    truth = hands()[0]
    moved = 3 * truth[..., [1, 2, 0]] * [-1, 1, 1] + [0.3, -2, 1]
    np.testing.assert_allclose(official_align(moved, truth), truth, atol=1e-7)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda p: p[:1], r'shape \(1, 21, 3\), the truth \(2, 21, 3\)'),
        (lambda p: p * np.nan, 'joints hold NaN'),
    ],
)
def test_bad_predictions_are_refused(change, words):
    truth = hands()
    with pytest.raises(ValueError, match=words):
        official_scores([change(truth[0]), truth[1]], truth, 'freihand')


def test_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="unknown protocol 'dexycb'"):
        official_scores(hands(), hands(), 'dexycb')


@pytest.mark.parametrize(
    ('protocol', 'variable', 'wanted'),
    [
        ('freihand', 'MMHAND_FREIHAND_ROOT', ZERO_FREIHAND),
        ('ho3d', 'MMHAND_HO3D_ROOT', ZERO_HO3D),
    ],
)
def test_zero_predictions_score_as_published(protocol, variable, wanted):
    if variable not in os.environ:
        pytest.skip(f'set {variable} to the folder of the official evaluation truth')
    root = Path(os.environ[variable])
    truth = [
        np.array(json.loads((root / f'evaluation_{name}.json').read_text()))
        for name in ('xyz', 'verts')
    ]
    found = official_scores([np.zeros_like(t) for t in truth], truth, protocol)
    assert {name: round(found[name], 2) for name in wanted} == wanted
