"""HaMeR's head, and the whole small HaMeR against an independent one."""

from functools import lru_cache

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.geometry.camera import project
from mmhand_dne.hand_model import HandPair, SingleHand, load_cc0_hand
from mmhand_dne.models.heads import MANODecoderHead
from tests.oracles import hamer_reference

VIT = dict(
    type='HaMeRViT',
    img_size=(64, 48),
    crop_columns=8,
    patch_size=16,
    patch_padding=2,
    embed_dims=32,
    depth=2,
    num_heads=4,
)
DECODER = dict(embed_dims=24, depth=2, num_heads=3, head_dims=8, ffn_dims=20)


@lru_cache
def hamer():
    """Random weights of a size that moves every output."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='HandMeshEstimator',
            backbone=VIT,
            hand_model=dict(type='SingleHand', tips='smplx', joints='kinematic'),
            mano_head=dict(type='MANODecoderHead', in_channels=32, decoder=DECODER),
        )
    )
    for name, value in model.named_parameters():
        torch.nn.init.normal_(value, std=0.02 if 'fc_cam' in name else 0.2)
    return model.eval()


def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def reference():
    state = {k: v.double() for k, v in hamer().state_dict().items()}
    return hamer_reference.hamer(
        state,
        load_cc0_hand('right'),
        images().double(),
        patch=16,
        padding=2,
        heads=4,
        depth=2,
        crop_columns=8,
        decoder_heads=3,
        decoder_depth=2,
    )


def test_outputs_agree_with_an_independent_hamer():
    with torch.no_grad():
        coarse = hamer()(images(), None, mode='tensor').coarse
    expected = reference()
    state = coarse.state
    places = state.root[..., None, :]
    for ours, theirs in ((state.vertices, 'vertices'), (state.joints, 'joints')):
        found = (ours + places)[:, 0].double()
        torch.testing.assert_close(found, expected[theirs], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        coarse.joints_ndc[:, 0].double() / 2, expected['joints_2d'], rtol=0, atol=1e-4
    )
    torch.testing.assert_close(
        coarse.token[:, 0].double(), expected['token'], rtol=1e-4, atol=1e-4
    )
    # The images differ in what is compared, so that a constant would not pass.
    assert expected['vertices'].std(0).max() > 0.01
    assert expected['joints_2d'].std(0).max() > 0.01


def test_the_state_projects_where_hamers_camera_does_to_first_order():
    with torch.no_grad():
        coarse = hamer()(images(), None, mode='tensor').coarse
    orthographic = project(coarse.state.joints, coarse.state.camera)
    assert (orthographic - coarse.joints_ndc).abs().max() < 0.02
    torch.testing.assert_close(
        orthographic,
        project(
            coarse.state.joints + coarse.state.root[..., None, :],
            torch.stack(
                [
                    coarse.weak_camera[..., :1].expand(-1, -1, 2),
                    coarse.weak_camera[..., :1] * coarse.weak_camera[..., 1:],
                ],
                -1,
            ),
        ),
    )


def test_training_starts_at_the_mean_hand_facing_the_camera():
    hand = SingleHand()
    head = MANODecoderHead(6, hand, decoder=DECODER)
    coarse = head(torch.randn(2, 6, 4, 4))
    expected = hand.mean_rotations.expand(2, 1, -1, -1, -1).clone()
    expected[:, :, 0] = torch.diag(torch.tensor([1.0, -1, -1]))
    torch.testing.assert_close(coarse.rotations, expected, rtol=0, atol=0.15)
    torch.testing.assert_close(
        coarse.weak_camera, torch.tensor([4.0, 0, 0]).expand(2, 1, 3), rtol=0, atol=0.2
    )
    assert (coarse.presence_logits.sigmoid() == 1).all()


def test_full_size_names_and_shapes():
    with torch.device('meta'):
        head = MANODecoderHead(1280, TinyOneHand())
    state = {
        name: tuple(value.shape)
        for name, value in head.state_dict().items()
        if not name.startswith('decoder.')
    }
    assert state == {
        'init_pose': (1, 96),
        'init_betas': (1, 10),
        'init_cam': (1, 3),
        'fc_pose.weight': (96, 1024),
        'fc_pose.bias': (96,),
        'fc_shape.weight': (10, 1024),
        'fc_shape.bias': (10,),
        'fc_cam.weight': (3, 1024),
        'fc_cam.bias': (3,),
    }
    assert sum(p.numel() for p in head.parameters()) == 39_497_837


class TinyOneHand(torch.nn.Module):
    """Enough of a hand to build a head on the meta device."""

    def __init__(self):
        super().__init__()
        self.mean_rotations = torch.zeros(1, 16, 3, 3)


def test_two_hands_are_refused():
    with pytest.raises(ValueError, match='reads one hand'):
        MANODecoderHead(6, HandPair(), decoder=DECODER)


@pytest.mark.large
def test_full_size_hamer_predicts(request):
    from mmengine.config import Config

    cfg = Config.fromfile(
        str(request.config.rootpath / 'configs/_base_/models/hamer_vit_h.py')
    )
    model = MODELS.build(cfg.model).eval()
    assert sum(p.numel() for p in model.parameters()) == 630_910_720 + 39_497_837
    with torch.no_grad():
        coarse = model(torch.zeros(1, 3, 256, 256), None, mode='tensor').coarse
    assert coarse.state.vertices.isfinite().all()
