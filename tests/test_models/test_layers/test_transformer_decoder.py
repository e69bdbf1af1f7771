"""The decoder of one token: its maths, names and dead rows."""

from fnmatch import fnmatch

import torch

from mmhand_dne.models.layers.transformer_decoder import (
    DEAD_BY_DESIGN,
    CrossAttentionDecoder,
)
from tests.oracles import hamer_reference


def small(**changes):
    torch.manual_seed(0)
    options = dict(embed_dims=20, depth=2, num_heads=3, head_dims=4, ffn_dims=16)
    decoder = CrossAttentionDecoder(6, **{**options, **changes})
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return decoder


def context():
    return torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(1))


def test_it_computes_the_documented_decoder():
    decoder = small().double()
    expected = hamer_reference.decoder(
        decoder.state_dict(), context().double(), heads=3, depth=2
    )
    torch.testing.assert_close(
        decoder(context().double()), expected, rtol=1e-10, atol=1e-10
    )


def test_defaults_are_hamers():
    with torch.device('meta'):
        decoder = CrossAttentionDecoder(1280)
    shapes = {name: tuple(value.shape) for name, value in decoder.state_dict().items()}
    assert sum(p.numel() for p in decoder.parameters()) == 39_386_112
    assert len(shapes) == 3 + 6 * 17
    assert shapes['token_embed.weight'] == (1024, 1)
    assert shapes['pos_embed'] == (1, 1, 1024)
    assert shapes['layers.5.norm_self.bias'] == (1024,)
    assert shapes['layers.5.self_attn.qkv.weight'] == (1536, 1024)
    assert shapes['layers.5.self_attn.proj.weight'] == (1024, 512)
    assert shapes['layers.5.norm_cross.weight'] == (1024,)
    assert shapes['layers.5.cross_attn.q.weight'] == (512, 1024)
    assert shapes['layers.5.cross_attn.kv.weight'] == (1024, 1280)
    assert shapes['layers.5.cross_attn.proj.bias'] == (1024,)
    assert shapes['layers.5.norm_ffn.bias'] == (1024,)
    assert shapes['layers.5.ffn.fc1.weight'] == (1024, 1024)
    assert shapes['layers.5.ffn.fc2.bias'] == (1024,)
    dead = decoder.dead_parameters()
    count = sum(
        decoder.get_parameter(name)[rows].numel() for name, rows in dead.items()
    )
    assert count == 6_292_480


def test_dead_rows_have_no_gradient_and_all_others_do():
    decoder = small()
    decoder(context()).pow(3).sum().backward()
    dead = decoder.dead_parameters()
    for name, parameter in decoder.named_parameters():
        alive = torch.ones_like(parameter)
        if name in dead:
            alive[dead[name]] = 0
        torch.testing.assert_close((parameter.grad != 0).float(), alive, msg=name)


def test_the_named_list_is_the_dead_rows():
    for name in small().dead_parameters():
        assert sum(fnmatch(name, pattern) for pattern in DEAD_BY_DESIGN) == 1
    for pattern in DEAD_BY_DESIGN:
        assert any(fnmatch(name, pattern) for name in small().dead_parameters())


def test_only_coordinates_tell_where_a_cell_is():
    turned = context().flip(-1)
    plain, placed = small(), small(coordinates=True)
    torch.testing.assert_close(plain(turned), plain(context()))
    assert not torch.allclose(placed(turned), placed(context()), atol=1e-3)
