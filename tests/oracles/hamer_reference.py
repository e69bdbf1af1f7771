"""HaMeR from its documented maths, slowly and in float64, on plain state dicts.

Attention is written out with einsum and softmax, norms and GELU from their formulas,
the hand by smplx's own functions on the arrays of a hand.
"""

import math

import numpy as np
import torch
from smplx.lbs import lbs

OPENPOSE_FROM_MANO_AND_TIPS = [
    0,
    13,
    14,
    15,
    16,
    1,
    2,
    3,
    17,
    4,
    5,
    6,
    18,
    10,
    11,
    12,
    19,
    7,
    8,
    9,
    20,
]
TIPS = [744, 320, 443, 554, 671]  # thumb, index, middle, ring, pinky


def layer_norm(x, state, name, eps):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    normed = (x - mean) / torch.sqrt(variance + eps)
    return normed * state[f'{name}.weight'] + state[f'{name}.bias']


def linear(x, state, name):
    y = torch.einsum('oi,...i->...o', state[f'{name}.weight'], x)
    return y + state[f'{name}.bias'] if f'{name}.bias' in state else y


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(query, key, value, heads):
    """(B, Q, C), (B, K, C), (B, K, C) -> (B, Q, C)."""
    query, key, value = (
        x.reshape(*x.shape[:2], heads, -1) for x in (query, key, value)
    )
    logits = torch.einsum('bqhc,bkhc->bhqk', query, key) / math.sqrt(query.shape[-1])
    weights = torch.exp(logits - logits.amax(-1, keepdim=True))
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.einsum('bhqk,bkhc->bqhc', weights, value).flatten(2)


def vit(state, images, patch, padding, heads, depth):
    """(B, 3, H, W) that the network reads -> (B, C, h, w)."""
    images = torch.nn.functional.pad(images, [padding] * 4)
    height = (images.shape[-2] - patch) // patch + 1
    width = (images.shape[-1] - patch) // patch + 1
    weight, tokens = state['patch_embed.projection.weight'], []
    for i in range(height):
        for j in range(width):
            window = images[
                ..., i * patch : (i + 1) * patch, j * patch : (j + 1) * patch
            ]
            tokens.append(torch.einsum('ocyx,bcyx->bo', weight, window))
    x = torch.stack(tokens, 1) + state['patch_embed.projection.bias']
    x = x + state['pos_embed']
    for i in range(depth):
        name = f'layers.{i}'
        y = linear(layer_norm(x, state, f'{name}.ln1', 1e-6), state, f'{name}.attn.qkv')
        x = x + linear(attend(*y.chunk(3, -1), heads), state, f'{name}.attn.proj')
        y = layer_norm(x, state, f'{name}.ln2', 1e-6)
        y = gelu(linear(y, state, f'{name}.ffn.layers.0.0'))
        x = x + linear(y, state, f'{name}.ffn.layers.1')
    x = layer_norm(x, state, 'ln1', 1e-6)
    return x.reshape(len(x), height, width, -1).permute(0, 3, 1, 2)


def decoder(state, context, heads, depth):
    """(B, C, h, w) -> (B, D)."""
    cells = torch.stack(
        [
            context[:, :, i, j]
            for i in range(context.shape[2])
            for j in range(context.shape[3])
        ],
        1,
    )
    zero = context.new_zeros(len(context), 1, 1)
    x = linear(zero, state, 'token_embed') + state['pos_embed']
    for j in range(depth):
        name = f'layers.{j}'
        y = linear(
            layer_norm(x, state, f'{name}.norm_self', 1e-5),
            state,
            f'{name}.self_attn.qkv',
        )
        y = attend(*y.chunk(3, -1), heads)
        x = x + linear(y, state, f'{name}.self_attn.proj')
        query = linear(
            layer_norm(x, state, f'{name}.norm_cross', 1e-5),
            state,
            f'{name}.cross_attn.q',
        )
        key, value = linear(cells, state, f'{name}.cross_attn.kv').chunk(2, -1)
        x = x + linear(
            attend(query, key, value, heads), state, f'{name}.cross_attn.proj'
        )
        y = layer_norm(x, state, f'{name}.norm_ffn', 1e-5)
        y = gelu(linear(y, state, f'{name}.ffn.fc1'))
        x = x + linear(y, state, f'{name}.ffn.fc2')
    return x[:, 0]


def rotations_from_pose(pose):
    """(B, 96) -> (B, 16, 3, 3): Gram-Schmidt of the two columns."""
    columns = pose.reshape(-1, 16, 2, 3)
    a1, a2 = columns[:, :, 0], columns[:, :, 1]
    b1 = a1 / (a1 * a1).sum(-1, keepdim=True).sqrt()
    b2 = a2 - (b1 * a2).sum(-1, keepdim=True) * b1
    b2 = b2 / (b2 * b2).sum(-1, keepdim=True).sqrt()
    b3 = torch.stack(
        [
            b1[..., 1] * b2[..., 2] - b1[..., 2] * b2[..., 1],
            b1[..., 2] * b2[..., 0] - b1[..., 0] * b2[..., 2],
            b1[..., 0] * b2[..., 1] - b1[..., 1] * b2[..., 0],
        ],
        -1,
    )
    return torch.stack([b1, b2, b3], -1)


def hand(arrays, rotations, betas):
    """MANO frame: vertices (B, V, 3), joints (B, 21, 3), kinematic chain and tips."""

    def array(name):
        return torch.from_numpy(np.asarray(arrays[name], np.float64))

    parents = torch.tensor([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])
    posedirs = array('posedirs').reshape(-1, 135).T
    vertices, joints = lbs(
        betas,
        rotations,
        array('v_template'),
        array('shapedirs'),
        posedirs,
        array('J_regressor'),
        parents,
        array('weights'),
        pose2rot=False,
    )
    joints = torch.cat([joints, vertices[:, TIPS]], 1)
    return vertices, joints[:, OPENPOSE_FROM_MANO_AND_TIPS]


def project(points, camera, focal=5000.0, size=256):
    """(B, N, 3) -> (B, N, 2) in [-0.5, 0.5] of the crop."""
    scale, shift_x, shift_y = camera.unbind(-1)
    depth = 2 * focal / (size * scale + 1e-9)
    moved = points + torch.stack([shift_x, shift_y, depth], -1)[:, None]
    return focal / size * moved[..., :2] / moved[..., 2:]


def hamer(
    state,
    arrays,
    images,
    *,
    patch,
    padding,
    heads,
    depth,
    crop_columns,
    decoder_heads,
    decoder_depth,
):
    """Square crops to what HaMeR predicts.

    Args:
        state: float64 state dict with the prefixes ``backbone.`` and ``mano_head.``.
    """

    def part(prefix):
        size = len(prefix)
        return {k[size:]: v for k, v in state.items() if k.startswith(prefix)}

    images = images[..., crop_columns : images.shape[-1] - crop_columns]
    features = vit(part('backbone.'), images, patch, padding, heads, depth)
    head = part('mano_head.')
    token = decoder(part('mano_head.decoder.'), features, decoder_heads, decoder_depth)
    pose = linear(token, head, 'fc_pose') + head['init_pose']
    betas = linear(token, head, 'fc_shape') + head['init_betas']
    camera = linear(token, head, 'fc_cam') + head['init_cam']
    vertices, joints = hand(arrays, rotations_from_pose(pose), betas)
    return dict(
        token=token,
        vertices=vertices,
        joints=joints,
        camera=camera,
        joints_2d=project(joints, camera),
    )
