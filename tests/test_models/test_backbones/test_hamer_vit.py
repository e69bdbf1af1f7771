"""HaMeR's transformer: its maths, names, positions and dead rows."""

import pytest
import torch

from mmhand_dne.models.backbones import HaMeRViT
from tests.oracles import hamer_reference

SMALL = dict(
    img_size=(48, 32),
    crop_columns=8,
    patch_size=8,
    patch_padding=1,
    embed_dims=24,
    depth=3,
    num_heads=4,
)


def small(**changes):
    torch.manual_seed(0)
    vit = HaMeRViT(**{**SMALL, **changes})
    for parameter in vit.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return vit


def images(batch=2):
    return torch.randn(batch, 3, 48, 48, generator=torch.Generator().manual_seed(1))


def test_it_computes_the_documented_transformer():
    vit = small().double().eval()
    found = vit(images().double())[0]
    expected = hamer_reference.vit(
        vit.state_dict(),
        images().double()[..., 8:-8],
        patch=8,
        padding=1,
        heads=4,
        depth=3,
    )
    assert found.shape == (2, 24, 6, 4)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_defaults_are_hamers():
    with torch.device('meta'):
        vit = HaMeRViT()
    shapes = {name: tuple(value.shape) for name, value in vit.state_dict().items()}
    # The official 630 912 000 less the 1280 of the folded class position.
    assert sum(p.numel() for p in vit.parameters()) == 630_910_720
    assert len(shapes) == 1 + 2 + 32 * 12 + 2
    assert shapes['pos_embed'] == (1, 192, 1280)
    assert shapes['patch_embed.projection.weight'] == (1280, 3, 16, 16)
    assert shapes['layers.31.ln2.bias'] == shapes['ln1.weight'] == (1280,)
    assert shapes['layers.31.attn.qkv.weight'] == (3840, 1280)
    assert shapes['layers.0.attn.proj.bias'] == (1280,)
    assert shapes['layers.0.ffn.layers.0.0.weight'] == (5120, 1280)
    assert shapes['layers.0.ffn.layers.1.weight'] == (1280, 5120)
    rates = [layer.drop_path.drop_prob for layer in vit.layers]
    assert rates[0] == 0 and rates[-1] == pytest.approx(0.55)
    assert (vit.grid, vit.crop_columns, vit.ln1.eps) == ((16, 12), 32, 1e-6)


def test_only_the_middle_columns_are_read():
    vit, seen = small().eval(), images()
    changed = seen.clone()
    changed[..., :8] = changed[..., -8:] = 9.0
    torch.testing.assert_close(vit(changed), vit(seen))
    changed[..., 8] = 9.0
    assert not torch.allclose(vit(changed)[0], vit(seen)[0])


def test_recomputing_layers_changes_no_gradient():
    gradients = []
    for with_cp in (False, True):
        vit = small(with_cp=with_cp, drop_path_rate=0.0).train()
        vit(images())[0].square().sum().backward()
        gradients.append([p.grad for p in vit.parameters()])
    torch.testing.assert_close(*gradients)


def test_dead_rows_have_no_gradient_and_all_others_do():
    vit = small().train()
    vit(images())[0].pow(3).sum().backward()
    dead = vit.dead_parameters()
    for name, parameter in vit.named_parameters():
        alive = torch.ones_like(parameter)
        if name in dead:
            alive[dead[name]] = 0
        torch.testing.assert_close((parameter.grad != 0).float(), alive, msg=name)
    assert len(dead) == 3


def test_dropped_paths_keep_the_mean():
    vit = small(drop_path_rate=0.5, depth=2).train()
    dropped = {float(vit.layers[1].drop_path(torch.ones(1, 1, 1))) for _ in range(64)}
    assert dropped == {0.0, 2.0}


@pytest.mark.parametrize('size', [(48, 32), (64, 64), (40, 48)])
def test_another_image_size_is_refused(size):
    with pytest.raises(ValueError, match=r'expected \(48, 48\)'):
        small()(torch.zeros(1, 3, *size))


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match='num_heads=5'):
        small(num_heads=5)
