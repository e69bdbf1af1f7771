"""DNEHead: what it computes, what its switches change, what it refuses."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.geometry import sampling
from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.sampling import ROW_CHANNELS
from mmhand_dne.models.heads import DNEHead
from mmhand_dne.models.layers import NoiseMLP
from mmhand_dne.structures.hand_state import HandState
from tests.gradients import wake
from tests.tiny_hand import TinyHand

MODES = {
    'full': dict(noise_2d=True, noise_3d=True, camera='ridge'),
    '+eps_2d': dict(noise_2d=True, noise_3d=False, camera='ridge'),
    '+eps_3d': dict(noise_2d=False, noise_3d=True, camera='keep'),
    'no_camera': dict(noise_2d=True, noise_3d=True, camera='keep'),
}


def make_state(hand, batch=2, dtype=torch.float32, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shake = 0.005 * torch.randn(batch, *hand.template.shape, generator=draw).to(dtype)
    vertices = hand.template.to(dtype) + shake
    camera = torch.tensor([[8.0, 0.1], [8.5, -0.1]], dtype=dtype)
    return HandState(
        vertices,
        hand.regress_joints(vertices),
        torch.zeros(batch, 2, 3, dtype=dtype),
        camera.expand(batch, 2, 2, 2).clone(),
    )


def make_head(hand=None, channels=6, seed=0, live=True, **kwargs):
    torch.manual_seed(seed)
    kwargs = {
        **dict(
            num_stages=2,
            num_samples=3,
            num_cells=4,
            xi=1e-4,
            estimator=dict(type='NoiseMLP', hidden_channels=8),
        ),
        **kwargs,
    }
    head = DNEHead(channels, hand or TinyHand(), map_size=8, **kwargs)
    if live:  # give the stages something to say
        wake(head, std=0.3)
    return head


def features(batch=2, channels=6, dtype=torch.float32):
    return torch.randn(
        batch, channels, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(5)
    )


def test_untrained_stages_change_nothing():
    head = make_head(live=False, xi=0.0).eval()
    coarse = make_state(head.hand_model)
    for stage in head(features(), coarse):
        torch.testing.assert_close(stage.state.vertices, coarse.vertices)
        torch.testing.assert_close(
            stage.state.camera, coarse.camera, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize('mode', MODES)
def test_each_mode_changes_only_its_part(mode):
    head = make_head(num_stages=1, **MODES[mode]).eval()
    coarse = make_state(head.hand_model)
    stage = head(features(), coarse)[0]
    moved_points = (stage.points_ndc - project(coarse.vertices, coarse.camera)).abs()
    moved_mesh = (stage.state.vertices - coarse.vertices).abs()
    moved_camera = (stage.state.camera - coarse.camera).abs()
    assert (moved_points.max() > 1e-4) == MODES[mode]['noise_2d']
    assert (moved_mesh.max() > 1e-5) == MODES[mode]['noise_3d']
    assert (moved_camera.max() > 1e-4) == (MODES[mode]['camera'] == 'ridge')


def test_camera_is_the_ridge_of_refined_points_on_refined_vertices():
    head = make_head(num_stages=1).eval()
    stage = head(features(), make_state(head.hand_model))[0]
    v, u = stage.state.vertices[1, 0, :, 1], stage.points_ndc[1, 0, :, 1]
    design = torch.stack([v, torch.ones_like(v)], -1).double()
    normal = design.mT @ design + 1e-4 * torch.eye(2, dtype=torch.float64)
    expected = torch.linalg.solve(normal, design.mT @ u.double())
    torch.testing.assert_close(
        stage.state.camera[1, 0, 1].double(), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize('mode', MODES)
def test_gradcheck(mode):
    hand = TinyHand(8, torch.float64)
    head = make_head(
        hand,
        channels=2,
        num_stages=2,
        num_samples=2,
        coordinate_inputs=True,
        embed_channels=2,
        **MODES[mode],
    ).double()
    head.train()
    coarse, keys = make_state(hand, 1, torch.float64), torch.tensor([42])
    image = features(1, 2, torch.float64).requires_grad_()
    vertices = coarse.vertices.clone().requires_grad_()
    camera = coarse.camera.clone().requires_grad_()

    def run(image, vertices, camera):
        state = HandState(vertices, hand.regress_joints(vertices), coarse.root, camera)
        last = head(image, state, keys)[-1]
        return last.state.vertices, last.state.camera, last.points_ndc

    assert torch.autograd.gradcheck(run, (image, vertices, camera), atol=1e-6)


@pytest.mark.parametrize('mode', MODES)
def test_every_parameter_learns(mode):
    head = make_head(**MODES[mode], coordinate_inputs=True).train()
    coarse = make_state(head.hand_model)
    loss = sum(
        (s.sample_vertices**2).sum() * 100
        + (s.sample_cameras**2).sum()
        + (s.sample_points_ndc**2).sum()
        for s in head(features(), coarse)
    )
    loss.backward()
    for name, parameter in head.named_parameters():
        if mode == 'no_camera' and name.startswith('stages.1.varphi'):
            pass  # still read through sample_vertices
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_most_confident_sample_goes_on():
    head = make_head(num_stages=1, num_samples=5).train()
    keys = torch.tensor([1, 2])
    stage = head(features(), make_state(head.hand_model), keys)[0]
    chosen = (stage.sample_vertices - stage.state.vertices[:, None]).abs()
    chosen = chosen.sum((-1, -2)).argmin(1)  # (B, S)
    mean = head.stages[0]
    scale_2d = mean.gamma * stage.mean_2d.abs() + mean.delta_2d
    coarse = make_state(head.hand_model)
    u = project(coarse.vertices, coarse.camera)
    eps = stage.sample_points_ndc - u[:, None]
    normal_2d = torch.distributions.Normal(stage.mean_2d, scale_2d)
    density_2d = normal_2d.log_prob(eps.transpose(0, 1)).sum((-1, -2))  # (R, B, S)
    # The 3D part needs each sample's own mean: run the stage's own estimate again.
    means = head.stages[0].estimate_3d(
        head.stages[0].read_image(features(), stage.sample_points_ndc),
        stage.sample_points_ndc,
        coarse.vertices,
    )
    normal_3d = torch.distributions.Normal(
        means, mean.gamma * means.abs() + mean.delta_3d
    )
    density_3d = normal_3d.log_prob(stage.sample_vertices - coarse.vertices[:, None])
    density = density_2d.transpose(0, 1) + density_3d.sum((-1, -2))
    assert torch.equal(chosen, density.argmax(1))


def test_draws_follow_the_image_not_the_batch():
    head = make_head().train()
    coarse, image = make_state(head.hand_model), features()
    both = head(image, coarse, torch.tensor([7, 8]))[-1].state.vertices
    second = HandState(*(tensor[1:] for tensor in coarse))
    alone = head(image[1:], second, torch.tensor([8]))[-1].state.vertices
    torch.testing.assert_close(alone[0], both[1])
    other = head(image[1:], second, torch.tensor([9]))[-1].state.vertices
    assert (other[0] - both[1]).abs().max() > 1e-5


def test_half_precision_keeps_geometry_in_float32():
    head = make_head().eval()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        state = head(features(), make_state(head.hand_model))[-1].state
    assert state.vertices.dtype == state.camera.dtype == torch.float32


@pytest.mark.parametrize(
    'switches',
    [
        dict(noise_2d=False, noise_3d=False),
        dict(noise_2d=False, camera='ridge'),
        dict(noise_3d=False, camera='keep'),
        dict(camera='nearest'),
    ],
)
def test_unsupported_switches_are_refused_when_built(switches):
    with pytest.raises(ValueError, match='choose one of full DNE'):
        make_head(**switches)


def test_losses_on_points_need_2d_noise():
    with pytest.raises(ValueError, match='loss_u'):
        make_head(**MODES['+eps_3d'], loss_u=1.0)


def test_wrong_map_size_names_the_remedy():
    head = make_head()
    with pytest.raises(ValueError, match='refine_head.map_size'):
        head(torch.zeros(1, 6, 4, 4), make_state(head.hand_model, 1))


def test_baseline_is_without_a_head():
    with pytest.raises(ValueError, match='leave refine_head out'):
        make_head(num_stages=0)


def test_graph_attention_variant_runs_with_gradients():
    hand = TinyHand(30)
    estimator = dict(
        type='NoiseGraphAttention', hidden_channels=8, num_clusters=5, num_heads=2
    )
    head = make_head(hand, estimator=estimator).train()
    stage = head(features(), make_state(hand))[-1]
    (stage.state.vertices.pow(2).sum() * 1e3 + stage.state.camera.sum()).backward()
    silent = [
        name
        for name, p in head.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    # A key's bias shifts all logits of a query alike: softmax does not see it, so
    # only a third of in_proj_bias is alive; the weight as a whole always is.
    assert not silent


def test_registered_name():
    assert MODELS.get('DNEHead') is DNEHead


@pytest.mark.parametrize('extra', [{}, dict(coordinate_inputs=True)])
def test_stages_on_cells_train_as_on_what_their_vertices_read(extra, monkeypatch):
    """Exactly: the linear maps of the views' cells, and reads by rows of channels."""
    found = []
    for cells in (True, False):
        head = make_head(channels=ROW_CHANNELS, **extra).double().train()
        if not cells:
            monkeypatch.setattr(NoiseMLP, 'takes_cells', None)
            monkeypatch.setattr(sampling, 'ROW_CHANNELS', 1000)
        image = features(channels=ROW_CHANNELS, dtype=torch.float64).requires_grad_()
        coarse = make_state(head.hand_model, dtype=torch.float64)
        refined = head(image, coarse, keys=np.array([3, 4]))
        total = sum(stage.sample_vertices.square().sum() for stage in refined)
        total = total + refined[-1].sample_cameras.sum()
        total.backward()
        gradients = [p.grad for p in head.parameters() if p.grad is not None]
        found.append([total, image.grad, *gradients])
    assert len(found[0]) == len(found[1]) and found[0][1].count_nonzero() > 0
    for ours, reference in zip(*found):
        torch.testing.assert_close(ours, reference)
