"""Our own skinning beside smplx's: the same vertices, joints and gradients."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair, MANOLayer, SingleHand, load_cc0_hand
from tests.oracles.mano_files import write_official

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / 'tests/data/hands/1193_4.jpg'
BATCH = 64


@pytest.fixture(scope='module', params=['right', 'left'])
def layers(request):
    return MANOLayer(request.param), MANOLayer(request.param, backend='smplx')


@pytest.fixture(scope='module')
def inputs():
    """Poses of all sizes and shapes of up to four standard deviations."""
    numbers = torch.Generator().manual_seed(11)
    angles = torch.randn(BATCH, 16, 3, generator=numbers)
    angles *= torch.linspace(0, 1.2, BATCH)[:, None, None]
    betas = 1.5 * torch.randn(BATCH, 10, generator=numbers)
    return matrix_from_axis_angle(angles), betas


def test_vertices_and_joints_equal_smplx(layers, inputs):
    for ours, theirs in zip(*(layer.posed(*inputs) for layer in layers)):
        assert theirs.std() > 0.02
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize('what', [0, 1], ids=['vertices', 'joints'])
def test_gradients_equal_smplx(layers, inputs, what):
    """In float64, of a sum in which every coordinate has a weight of its own."""
    found = []
    for layer in layers:
        leaves = [value.double().requires_grad_() for value in inputs]
        output = layer.double().posed(*leaves)[what]
        weights = torch.linspace(-1, 1, output[0].numel()).double()
        (output.flatten(1) @ weights).sum().backward()
        found.append([leaf.grad for leaf in leaves])
        layer.float()
    for ours, theirs in zip(*found):
        assert theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_gradients_are_those_of_differences():
    layer = MANOLayer().double()
    numbers = torch.Generator().manual_seed(2)
    angles = 0.5 * torch.randn(2, 16, 3, generator=numbers).double()
    betas = torch.randn(2, 10, generator=numbers).double()
    pick = torch.randn(778 * 3, 4, generator=numbers).double()

    def four_numbers(angles, betas):
        vertices, joints = layer.posed(matrix_from_axis_angle(angles), betas)
        return vertices.flatten(-2) @ pick, joints

    leaves = angles.requires_grad_(), betas.requires_grad_()
    assert torch.autograd.gradcheck(four_numbers, leaves)


def test_pairs_and_single_hands_take_the_backend(inputs):
    rotations, betas = (value[:4, None] for value in inputs)
    one = [SingleHand(backend=name)(rotations, betas) for name in ('own', 'smplx')]
    rotations, betas = rotations.expand(-1, 2, -1, -1, -1), betas.expand(-1, 2, -1)
    two = [HandPair(backend=name)(rotations, betas) for name in ('own', 'smplx')]
    for meshes in (one, two):
        for ours, theirs in zip(*meshes):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize('lead', [(0,), (2, 0)])
def test_smplx_too_poses_no_hands(lead):
    layer = MANOLayer(backend='smplx')
    vertices, joints = layer.posed(torch.eye(3).expand(*lead, 16, 3, 3), torch.ones(10))
    assert vertices.shape == (*lead, 778, 3) and joints.shape == (*lead, 16, 3)


def test_an_unknown_backend_is_one_sentence():
    with pytest.raises(UserError, match="backend is 'cuda', expected 'own' or 'smplx'"):
        MANOLayer(backend='cuda')


WITHOUT_SMPLX = """
import sys
sys.modules['smplx'] = None  # what an absent package does to an import
from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import HandPair, MANOLayer
mano = sys.argv[1]
for source in ('cc0', mano):
    pair = HandPair(source)
    assert pair.template.isfinite().all() and pair.template.std() > 0.02
try:
    MANOLayer(backend='smplx')
except UserError as error:
    print(error)
"""


def test_without_smplx_both_kinds_of_hands_run(tmp_path):
    """The embedded hand, official MANO files; the backend is refused in a sentence."""
    for side in ('right', 'left'):
        write_official(tmp_path / f'MANO_{side.upper()}.pkl', load_cc0_hand(side))
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_SMPLX, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    sentence = done.stdout.strip()
    assert 'pip install smplx if its licence' in sentence and '\n' not in sentence


def test_the_shipped_weights_give_the_meshes_they_gave_on_smplx():
    """Same file, same photo; the stages read the mesh and refine it, twice."""
    found = []
    for backend in ('own', 'smplx'):
        options = {'hand_model.backend': backend}
        model = HandMeshInferencer('dne_real', device='cpu', cfg_options=options)
        assert model.model.hand_model.right.backend == backend
        [result] = model.results(PHOTO)
        found.append(result.hands)
    for ours, theirs in zip(*found, strict=True):
        assert ours.side == theirs.side and np.ptp(theirs.vertices) > 0.1
        np.testing.assert_allclose(ours.vertices, theirs.vertices, rtol=0, atol=1e-6)
        np.testing.assert_allclose(ours.joints, theirs.joints, rtol=0, atol=1e-6)


def test_the_benchmark_prints_both_and_their_ratio(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    tool = __import__('hand_skinning')
    sys.modules.pop('hand_skinning')
    tool.main(['--hands', '1', '2', '--rounds', '2'])
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert float(first.split()[-2]) < 1e-6
    assert [row.split()[:2] for row in rows] == [
        ['forward', '1'], ['forward', '2'], ['step', '1'], ['step', '2'],
    ]  # fmt: skip
    assert all(float(number) > 0 for row in rows for number in row.split()[2:])
