"""A converted model against the documented maths under the official names."""

from functools import lru_cache

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS

import mmhand_dne  # noqa: F401
from mmhand_dne.geometry.camera import ndc_to_pixels, project
from mmhand_dne.hand_model import load_cc0_hand
from tests.oracles import hamer_official as official
from tools.model_converters import convert_hamer as tool

COVARIANCES = dict(
    deterministic=None,
    diag=dict(type='DiagonalCovariance'),
    full=dict(type='FullCovariance'),
    ours=dict(type='CorrelatedCovariance'),
    ours_wo_linear=dict(type='CorrelatedCovariance', linear=False),
)


def build(variant):
    """Our model of the oracle's small size."""
    size = official.SMALL
    decoder = dict(
        embed_dims=size['token'],
        depth=size['layers'],
        ffn_dims=size['ffn'],
        num_heads=official.TOKEN_HEADS,
        head_dims=size['inner'] // official.TOKEN_HEADS,
    )
    covariance = COVARIANCES[variant]
    uncertainty_head = covariance and dict(
        type='JointUncertaintyHead',
        in_channels=size['token'],
        covariance=covariance,
        decoder=dict(decoder, context_channels=size['width']),
        aligned=False,
    )
    return MODELS.build(
        dict(
            type='HandMeshEstimator',
            hand_model=dict(type='SingleHand', tips='smplx', joints='kinematic'),
            backbone=dict(
                type='HaMeRViT',
                embed_dims=size['width'],
                depth=size['depth'],
                num_heads=official.HEADS,
                mlp_ratio=size['hidden'] / size['width'],
            ),
            mano_head=dict(
                type='MANODecoderHead',
                in_channels=size['width'],
                decoder=decoder,
                official_camera=True,
            ),
            uncertainty_head=uncertainty_head,
        )
    ).eval()


@lru_cache
def outputs_of_both(variant):
    """(ours, official) outputs for the same crops."""
    state = official.official_state(variant, load_cc0_hand(), seed=5)
    model = build(variant)
    model.load_state_dict(tool.convert(state)[0], strict=True)
    crops = torch.randn(3, 3, 256, 256, generator=torch.manual_seed(0))
    with torch.no_grad():
        outputs = model.run_heads(crops)
        found = dict(coarse=outputs.coarse, bars=model.error_bars(outputs))
        return found, official.forward(state, crops)


@pytest.mark.parametrize('variant', list(COVARIANCES))
def test_vertices_and_joints_agree_to_10_micrometres(variant):
    found, wanted = outputs_of_both(variant)
    state = found['coarse'].state
    for name in ('vertices', 'joints'):
        ours = (getattr(state, name) + state.root[..., None, :])[:, 0]
        torch.testing.assert_close(ours.double(), wanted[name], atol=1e-5, rtol=0)
    assert wanted['vertices'].std(0).max() > 1e-3  # the crops matter


@pytest.mark.parametrize('variant', list(COVARIANCES))
def test_projected_joints_agree(variant):
    found, wanted = outputs_of_both(variant)
    # Official: [-0.5, 0.5] from pixel 128 of the crop.
    ours = ndc_to_pixels(found['coarse'].joints_ndc[:, 0].double(), (256, 256))
    official_pixels = 256 * wanted['joints_2d'] + 128
    torch.testing.assert_close(ours, official_pixels, atol=0.02, rtol=0)
    state = found['coarse'].state
    near = ndc_to_pixels(project(state.joints, state.camera)[:, 0].double(), (256, 256))
    assert (near - official_pixels).abs().max() < 0.02 * 256  # orthographic
    camera = found['coarse'].weak_camera[:, 0].double()
    torch.testing.assert_close(camera, wanted['camera'], atol=1e-4, rtol=0)


@pytest.mark.parametrize('variant', [v for v in COVARIANCES if v != 'deterministic'])
def test_covariances_agree(variant):
    found, wanted = outputs_of_both(variant)
    ours = found['bars']['hand_joint_covariance'][:, 0].double()
    wanted = wanted['covariance']
    assert (ours - wanted).norm() < 1e-4 * wanted.norm()
    assert (wanted[0] - wanted[1]).norm() > 1e-2 * wanted.norm()  # the crops matter


def test_pos_embed_without_its_row_0_would_not_agree():
    """The trap: 192 rows fit whether row 0 was added or thrown away."""
    state = official.official_state('deterministic', load_cc0_hand(), seed=5)
    converted, _ = tool.convert(state)
    converted['backbone.pos_embed'] = state['backbone.pos_embed'][:, 1:]
    model = build('deterministic')
    model.load_state_dict(converted, strict=True)
    crops = torch.randn(3, 3, 256, 256, generator=torch.manual_seed(0))
    with torch.no_grad():
        vertices = model.run_heads(crops).coarse.state.vertices[:, 0]
    _, wanted = outputs_of_both('deterministic')
    relative = wanted['vertices'] - wanted['joints'][:, :1]
    assert (vertices - relative).abs().max() > 1e-4


@pytest.mark.parametrize('variant', list(COVARIANCES))
def test_file_loads_strictly_into_the_model(tmp_path, variant):
    source, out = tmp_path / 'in.ckpt', tmp_path / 'out.pth'
    state = official.official_state(variant, load_cc0_hand())
    torch.save(dict(state_dict=state), source)
    tool.main([str(source), str(out)])
    model = build(variant)
    checkpoint = load_checkpoint(model, str(out), strict=True)
    assert checkpoint['meta']['variant'] == variant
    for name, value in model.state_dict().items():
        if 'unit_mixing' not in name:
            torch.testing.assert_close(value, checkpoint['state_dict'][name])
    assert model.state_dict().keys() == checkpoint['state_dict'].keys()


def test_checkpoint_of_another_variant_does_not_load():
    state = official.official_state('full', load_cc0_hand())
    with pytest.raises(RuntimeError, match='fc_tril'):
        build('diag').load_state_dict(tool.convert(state)[0], strict=True)
