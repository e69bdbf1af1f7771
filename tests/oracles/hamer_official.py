"""HaMeR and the Hand-Uncertainty models from their documented maths, float64.

Under the official names of tensors, with explicit attention, its own 6D rotations and
smplx for the hand; nothing of mmhand_dne but the arrays of the CC0 hand.
"""

import math

import numpy as np
import torch
from smplx.lbs import lbs

FOCAL, SIZE = 5000.0, 256
VARIANTS = ('deterministic', 'diag', 'full', 'ours', 'ours_wo_linear')
JOINT_MAP = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
TIPS = [744, 320, 443, 554, 671]
FULL = dict(
    width=1280, depth=32, hidden=5120, token=1024, inner=512, ffn=1024, layers=6
)
SMALL = dict(width=64, depth=2, hidden=128, token=48, inner=32, ffn=40, layers=2)
HEADS, TOKEN_HEADS = 4, 2  # of the small one


def decoder_shapes(head, width, token, inner, ffn, layers, **_):
    base = f'{head}.transformer'
    shapes = {
        f'{base}.pos_embedding': (1, 1, token),
        f'{base}.to_token_embedding.weight': (token, 1),
        f'{base}.to_token_embedding.bias': (token,),
    }
    for j in range(layers):
        layer = f'{base}.transformer.layers.{j}'
        for k in range(3):
            shapes[f'{layer}.{k}.norm.weight'] = (token,)
            shapes[f'{layer}.{k}.norm.bias'] = (token,)
        shapes[f'{layer}.0.fn.to_qkv.weight'] = (3 * inner, token)
        shapes[f'{layer}.1.fn.to_kv.weight'] = (2 * inner, width)
        shapes[f'{layer}.1.fn.to_q.weight'] = (inner, token)
        for k in range(2):
            shapes[f'{layer}.{k}.fn.to_out.0.weight'] = (token, inner)
            shapes[f'{layer}.{k}.fn.to_out.0.bias'] = (token,)
        shapes[f'{layer}.2.fn.net.0.weight'] = (ffn, token)
        shapes[f'{layer}.2.fn.net.0.bias'] = (ffn,)
        shapes[f'{layer}.2.fn.net.3.weight'] = (token, ffn)
        shapes[f'{layer}.2.fn.net.3.bias'] = (token,)
    return shapes


def backbone_shapes(width, depth, hidden, **_):
    shapes = {
        'backbone.pos_embed': (1, 193, width),
        'backbone.patch_embed.proj.weight': (width, 3, 16, 16),
        'backbone.patch_embed.proj.bias': (width,),
        'backbone.last_norm.weight': (width,),
        'backbone.last_norm.bias': (width,),
    }
    for i in range(depth):
        for name, shape in {
            'norm1': (width,),
            'norm2': (width,),
            'attn.qkv': (3 * width, width),
            'attn.proj': (width, width),
            'mlp.fc1': (hidden, width),
            'mlp.fc2': (width, hidden),
        }.items():
            shapes[f'backbone.blocks.{i}.{name}.weight'] = shape
            shapes[f'backbone.blocks.{i}.{name}.bias'] = shape[:1]
    return shapes


def readout_shapes(variant, token):
    base = 'uncertainty_head.dec3dkeypoint'
    rows = dict(
        deterministic={},
        diag={f'{base}.0': 63},
        full={f'{base}_cov': 1953, f'{base}_diag': 63},
        ours={base: 63},
        ours_wo_linear={base: 63},
    )[variant]
    shapes = {f'{name}.weight': (size, token) for name, size in rows.items()}
    shapes |= {f'{name}.bias': (size,) for name, size in rows.items()}
    if variant == 'ours':
        shapes['out_layer_keypoints_3d.weight'] = (63, 63)
    return shapes


def head_inits(head):
    return {
        f'{head}.init_hand_pose': (1, 96),
        f'{head}.init_betas': (1, 10),
        f'{head}.init_cam': (1, 3),
    }


def discriminator_shapes():
    shapes = {
        'D_conv1': (32, 9, 1, 1),
        'D_conv2': (32, 32, 1, 1),
        'betas_fc1': (10, 10),
        'betas_fc2': (5, 10),
        'betas_out': (1, 5),
        'D_alljoints_fc1': (1024, 480),
        'D_alljoints_fc2': (1024, 1024),
        'D_alljoints_out': (1, 1024),
    }
    shapes |= {f'pose_out.{n}': (1, 32) for n in range(15)}
    found = {}
    for name, shape in shapes.items():
        found[f'discriminator.{name}.weight'] = shape
        found[f'discriminator.{name}.bias'] = shape[:1]
    return found


def mano_tensors(hand):
    """The tensors of smplx's layer, from a dict of MANO arrays."""
    tensors = {
        'shapedirs': hand['shapedirs'],
        'v_template': hand['v_template'],
        'J_regressor': hand['J_regressor'],
        'posedirs': hand['posedirs'].reshape(-1, 135).T,
        'lbs_weights': hand['weights'],
        'hand_components': np.zeros((6, 45)),
        'hand_mean': np.zeros(45),
        'pose_mean': np.zeros(48),
    }
    tensors = {name: torch.tensor(np.float32(v)) for name, v in tensors.items()}
    parents = np.int64(hand['kintree_table'][0])
    parents[0] = -1
    for name, value in dict(
        faces_tensor=np.int64(hand['f']),
        parents=parents,
        extra_joints_idxs=TIPS,
        joint_map=JOINT_MAP,
    ).items():
        tensors[name] = torch.as_tensor(value)
    tensors['vertex_joint_selector.extra_joints_idxs'] = torch.tensor(TIPS)
    return {f'mano.{name}': value for name, value in tensors.items()}


def official_shapes(variant, sizes):
    """Name -> shape of every float tensor outside MANO."""
    shapes = backbone_shapes(**sizes) | decoder_shapes('mano_head', **sizes)
    shapes |= head_inits('mano_head') | discriminator_shapes()
    for name, size in dict(decpose=96, decshape=10, deccam=3).items():
        shapes[f'mano_head.{name}.weight'] = (size, sizes['token'])
        shapes[f'mano_head.{name}.bias'] = (size,)
    if variant != 'deterministic':
        shapes |= decoder_shapes('uncertainty_head', **sizes)
        shapes |= head_inits('uncertainty_head')
        shapes |= readout_shapes(variant, sizes['token'])
    return shapes


def official_state(variant, hand, sizes=SMALL, seed=0):
    """A state dict with every tensor of the official checkpoint, weights drawn."""
    draw = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in official_shapes(variant, sizes).items():
        fan = max(math.prod(shape[1:]), 1)
        scale = fan**-0.5 if name.endswith('weight') else 0.1
        state[name] = scale * torch.randn(shape, generator=draw)
        if 'norm' in name and name.endswith('weight'):
            state[name] += 1
    mean_pose = torch.tensor([1.0, 0, 0, 0, -1, 0]).repeat(16)[None]
    state['mano_head.init_hand_pose'] = mean_pose
    state['mano_head.init_cam'] = torch.tensor([[4.0, 0, 0]])
    state['mano_head.deccam.weight'] *= 0.1
    if variant == 'full':  # or the precision would be nearly singular
        state['uncertainty_head.dec3dkeypoint_cov.weight'] *= 0.05
        state['uncertainty_head.dec3dkeypoint_cov.bias'] *= 0.05
    if variant == 'ours':
        bound = 63**-0.5
        mixing = torch.rand(63, 63, generator=draw)
        state['out_layer_keypoints_3d.weight'] = bound * (2 * mixing - 1)
    state['initialized'] = torch.tensor(True)
    return state | mano_tensors(hand)


def linear(state, name, x):
    y = x @ state[f'{name}.weight'].T
    return y + state[f'{name}.bias'] if f'{name}.bias' in state else y


def layer_norm(state, name, x, eps):
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return scaled * state[f'{name}.weight'] + state[f'{name}.bias']


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(q, k, v, heads):
    """(B, N, C) queries over (B, M, C) keys, one head after the other."""
    out = []
    for a, b, c in zip(*(t.chunk(heads, -1) for t in (q, k, v)), strict=True):
        logits = a @ b.transpose(1, 2) / math.sqrt(a.shape[-1])
        weight = torch.exp(logits - logits.amax(-1, keepdim=True))
        out.append(weight / weight.sum(-1, keepdim=True) @ c)
    return torch.cat(out, -1)


def backbone(state, crops, heads):
    """Normalised crops (B, 3, 256, 256) -> tokens (B, 192, D)."""
    images = torch.nn.functional.pad(crops[..., 32:-32], (2, 2, 2, 2))
    kernel = state['backbone.patch_embed.proj.weight'].flatten(1)
    tokens = []
    for row in range(16):
        for column in range(12):
            patch = images[..., 16 * row : 16 * row + 16, 16 * column :][..., :16]
            tokens.append(patch.flatten(1) @ kernel.T)
    x = torch.stack(tokens, 1) + state['backbone.patch_embed.proj.bias']
    positions = state['backbone.pos_embed']
    x = x + positions[:, 1:] + positions[:, :1]
    depth = sum(name.endswith('.norm1.weight') for name in state)
    for i in range(depth):
        name = f'backbone.blocks.{i}'
        qkv = linear(
            state, f'{name}.attn.qkv', layer_norm(state, f'{name}.norm1', x, 1e-6)
        )
        x = x + linear(state, f'{name}.attn.proj', attend(*qkv.chunk(3, -1), heads))
        hidden = linear(
            state, f'{name}.mlp.fc1', layer_norm(state, f'{name}.norm2', x, 1e-6)
        )
        x = x + linear(state, f'{name}.mlp.fc2', gelu(hidden))
    return layer_norm(state, 'backbone.last_norm', x, 1e-6)


def decoder(state, head, context, heads):
    """Context (B, 192, D) -> token (B, E)."""
    base = f'{head}.transformer'
    zeros = context.new_zeros(len(context), 1, 1)
    x = linear(state, f'{base}.to_token_embedding', zeros)
    x = x + state[f'{base}.pos_embedding']
    layers = sum(
        name.startswith(base) and name.endswith('to_qkv.weight') for name in state
    )
    for j in range(layers):
        name = f'{base}.transformer.layers.{j}'
        y = layer_norm(state, f'{name}.0.norm', x, 1e-5)
        q, k, v = linear(state, f'{name}.0.fn.to_qkv', y).chunk(3, -1)
        x = x + linear(state, f'{name}.0.fn.to_out.0', attend(q, k, v, heads))
        y = layer_norm(state, f'{name}.1.norm', x, 1e-5)
        k, v = linear(state, f'{name}.1.fn.to_kv', context).chunk(2, -1)
        q = linear(state, f'{name}.1.fn.to_q', y)
        x = x + linear(state, f'{name}.1.fn.to_out.0', attend(q, k, v, heads))
        y = layer_norm(state, f'{name}.2.norm', x, 1e-5)
        hidden = gelu(linear(state, f'{name}.2.fn.net.0', y))
        x = x + linear(state, f'{name}.2.fn.net.3', hidden)
    return x[:, 0]


def matrices(pose):
    """(B, 96) -> (B, 16, 3, 3); first column, then second column."""
    a, b = pose.reshape(-1, 16, 2, 3).unbind(2)
    first = a / a.norm(dim=-1, keepdim=True)
    second = b - (first * b).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True)
    third = torch.cross(first, second, dim=-1)
    return torch.stack([first, second, third], -1)


def hand(state, rotations, betas):
    """Vertices (B, 778, 3) and the 21 joints in MANO's frame, by smplx."""
    mano = {name[5:]: value for name, value in state.items() if name[:5] == 'mano.'}
    vertices, joints = lbs(
        betas,
        rotations,
        mano['v_template'][None].expand(len(betas), -1, -1),
        mano['shapedirs'],
        mano['posedirs'],
        mano['J_regressor'],
        mano['parents'],
        mano['lbs_weights'],
        pose2rot=False,
    )
    joints = torch.cat([joints, vertices[:, mano['extra_joints_idxs']]], 1)
    return vertices, joints[:, mano['joint_map']]


def project(points, camera):
    """Official keypoints_2d in [-0.5, 0.5] from points (B, N, 3), camera (B, 3)."""
    scale, x, y = camera.unbind(-1)
    depth = 2 * FOCAL / (SIZE * scale + 1e-9)
    moved = points + torch.stack([x, y, depth], -1)[:, None]
    return FOCAL / SIZE * moved[..., :2] / moved[..., 2:]


def covariance(state, variant, token):
    """(B, 63, 63) m^2 of the documented density."""
    base = 'uncertainty_head.dec3dkeypoint'
    if variant == 'full':
        lower = token.new_zeros(len(token), 63, 63)
        rows, columns = np.tril_indices(63, -1)
        lower[:, rows, columns] = linear(state, f'{base}_cov', token)
        lower += torch.diag_embed(torch.exp(-linear(state, f'{base}_diag', token)))
        return torch.linalg.inv(lower @ lower.transpose(1, 2))
    name = f'{base}.0' if variant == 'diag' else base
    variance = torch.diag_embed(torch.exp(linear(state, name, token)))
    if variant == 'ours':
        mixing = state['out_layer_keypoints_3d.weight']
        return mixing @ variance @ mixing.T
    return variance


def forward(state, crops, heads=HEADS, token_heads=TOKEN_HEADS):
    """Outputs of the official model for normalised crops (B, 3, 256, 256).

    Returns: dict vertices, joints (MANO frame), camera (s, tx, ty), joints_2d and, with
        an uncertainty head, covariance.
    """
    state = {
        name: value.double() if value.is_floating_point() else value
        for name, value in state.items()
    }
    context = backbone(state, crops.double(), heads)
    token = decoder(state, 'mano_head', context, token_heads)
    pose, betas, camera = (
        linear(state, f'mano_head.{layer}', token) + state[f'mano_head.{start}']
        for layer, start in (
            ('decpose', 'init_hand_pose'),
            ('decshape', 'init_betas'),
            ('deccam', 'init_cam'),
        )
    )
    vertices, joints = hand(state, matrices(pose), betas)
    found = dict(
        vertices=vertices,
        joints=joints,
        camera=camera,
        joints_2d=project(joints, camera),
    )
    marks = dict(
        diag='dec3dkeypoint.0', full='dec3dkeypoint_cov', ours_wo_linear='dec3dkeypoint'
    )
    variant = next(
        (v for v, mark in marks.items() if f'uncertainty_head.{mark}.weight' in state),
        None,
    )
    if 'out_layer_keypoints_3d.weight' in state:
        variant = 'ours'
    if variant is not None:
        token = decoder(state, 'uncertainty_head', context, token_heads)
        found['covariance'] = covariance(state, variant, token)
    return found
