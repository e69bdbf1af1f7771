"""The one map from 63 to 60 coordinates, and the copy that the ONNX runner keeps."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mmhand_dne.gaussian.wrist import without_wrist
from tests.oracles.sparsification import aligned_covariance

RUNNER = Path(__file__).parents[2] / 'tools/deployment/run_onnx.py'


@pytest.fixture
def root():
    return np.random.default_rng(0).normal(size=(63, 63))


def test_it_is_the_linear_map(root):
    covariance = root @ root.T
    np.testing.assert_allclose(
        without_wrist(covariance), aligned_covariance(covariance), rtol=0, atol=1e-12
    )


def test_it_is_the_covariance_of_points_relative_to_the_wrist(root):
    rng = np.random.default_rng(1)
    points = (root @ rng.normal(size=(63, 200000))).reshape(21, 3, -1)
    wanted = np.cov((points[1:] - points[:1]).reshape(60, -1))
    found = without_wrist(root @ root.T)
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_a_relative_covariance_stays(root):
    found = without_wrist(root @ root.T)
    assert without_wrist(found) is found


def test_the_copy_in_the_onnx_runner_agrees(root):
    pytest.importorskip('onnxruntime', reason='the runner needs it')
    spec = importlib.util.spec_from_file_location('run_onnx', RUNNER)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    covariance = root @ root.T
    found = runner.without_wrist(covariance)
    np.testing.assert_allclose(found, without_wrist(covariance), rtol=0, atol=1e-12)
    assert runner.without_wrist(found) is found
