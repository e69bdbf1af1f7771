"""Names and shapes of HaMeR's official tensors, and where each goes in our model.

Shapes are written with letters for the sizes that a smaller model changes: D, P, M
channels, positions and hidden channels of the backbone, E, A, F channels, attention
channels and hidden channels of a decoder; 3D is three times D. {i} counts blocks of the
backbone, {j} layers of a decoder, {n} finger joints. Target None: left out.

No weights are transposed: our parts hold fused q, k, v as the official ones do. One
tensor needs arithmetic: the official backbone adds row 0 of its position embedding to
every patch.
"""

import math
import re
from collections import Counter, defaultdict
from typing import NamedTuple

from torch import Tensor

from mmhand_dne.errors import UserError

OFFICIAL = dict(D=1280, P=193, M=5120, E=1024, A=512, F=1024, blocks=32, layers=6)
POSITIONS = 'backbone.pos_embed'
MIXING = 'out_layer_keypoints_3d.weight'
COVARIANCE = 'uncertainty_head.covariance.'
# Variant -> type of covariance; the order in which their marks are looked for.
VARIANTS = {
    'ours': 'CorrelatedCovariance',
    'full': 'FullCovariance',
    'diag': 'DiagonalCovariance',
    'ours_wo_linear': 'CorrelatedCovariance(linear=False)',
    'deterministic': 'DeterministicCovariance',
}
MARKS = {
    'ours': MIXING,
    'full': 'uncertainty_head.dec3dkeypoint_cov.weight',
    'diag': 'uncertainty_head.dec3dkeypoint.0.weight',
    'ours_wo_linear': 'uncertainty_head.dec3dkeypoint.weight',
}
WEIGHT_AND_BIAS = ('weight', 'bias')


class Rule(NamedTuple):
    """One kind of official tensor."""

    source: str  # official name, with {i}, {j} or {n}
    shape: tuple  # sizes: numbers, letters, or letters times a number
    target: str | None  # our name; None where the tensor is left out


class Accounting(NamedTuple):
    """What does not agree between a checkpoint and the table."""

    missing: list[str]
    extra: list[str]
    misshapen: list[str]  # with the shapes found and expected


def find_variant(state: dict[str, Tensor]) -> str:
    """Which of VARIANTS a state dict is, by its readouts.

    Raises:
        ValueError: it is of another model.
    """
    if not any(name.startswith('mano_head.') for name in state):
        first = min(state, default='no tensor')
        raise UserError(
            f'the checkpoint holds {first} and {max(len(state) - 1, 0)} other tensors, '
            'which are not those of HaMeR (none begins with mano_head.); pass '
            'hamer.ckpt or one of the four Hand-Uncertainty checkpoints'
        )
    return next((v for v, mark in MARKS.items() if mark in state), 'deterministic')


def rules(variant: str) -> list[Rule]:
    """The table of one variant."""
    table = [*_backbone(), *_mano_head(), *_left_out(variant)]
    if variant != 'deterministic':
        table += _decoder('uncertainty_head') + _readouts(variant)
    return table


def account(state: dict[str, Tensor], variant: str) -> tuple[dict, dict, Accounting]:
    """Match every tensor with the table and every row of the table with a tensor.

    Returns: official name -> Rule of the expected tensors, the sizes, and what
        disagrees. Groups that are left out anyway may be absent as a whole.
    """
    table = rules(variant)
    counts = {
        'i': _count(state, r'backbone\.blocks\.(\d+)\.', OFFICIAL['blocks']),
        'j': _count(state, r'mano_head\..*\.layers\.(\d+)\.', OFFICIAL['layers']),
        'n': 15,
    }
    expected = {name: rule for rule in table for name in _expand(rule.source, counts)}
    sizes = _sizes(state, expected)
    groups = {_group(name) for name in state}
    missing = [
        name
        for name, rule in expected.items()
        if name not in state and (rule.target is not None or _group(name) in groups)
    ]
    misshapen = []
    for name, rule in expected.items():
        wanted = tuple(_size(entry, sizes) for entry in rule.shape)
        if name in state and tuple(state[name].shape) != wanted:
            misshapen.append(f'{name} {tuple(state[name].shape)} instead of {wanted}')
    extra = sorted(set(state) - set(expected))
    sizes.update(blocks=counts['i'], layers=counts['j'])
    return expected, sizes, Accounting(missing, extra, misshapen)


def target_name(source: str, rule: Rule) -> str | None:
    """Our name of an official tensor."""
    if rule.target is None:
        return None
    numbers = re.fullmatch(_pattern(rule.source), source).groupdict()
    return rule.target.format(**numbers)


def _linear(source: str, target: str | None, rows, columns) -> list[Rule]:
    return [
        Rule(f'{source}.{part}', shape, target and f'{target}.{part}')
        for part, shape in zip(WEIGHT_AND_BIAS, ((rows, columns), (rows,)))
    ]


def _norm(source: str, target: str, size: str) -> list[Rule]:
    return [
        Rule(f'{source}.{part}', (size,), f'{target}.{part}')
        for part in WEIGHT_AND_BIAS
    ]


def _backbone() -> list[Rule]:
    source, target = 'backbone.blocks.{i}', 'backbone.layers.{i}'
    patch = 'backbone.patch_embed'
    return [
        Rule(POSITIONS, (1, 'P', 'D'), POSITIONS),  # patches + 1
        Rule(f'{patch}.proj.weight', ('D', 3, 16, 16), f'{patch}.projection.weight'),
        Rule(f'{patch}.proj.bias', ('D',), f'{patch}.projection.bias'),
        *_norm(f'{source}.norm1', f'{target}.ln1', 'D'),
        *_norm(f'{source}.norm2', f'{target}.ln2', 'D'),
        *_linear(f'{source}.attn.qkv', f'{target}.attn.qkv', '3D', 'D'),
        *_linear(f'{source}.attn.proj', f'{target}.attn.proj', 'D', 'D'),
        *_linear(f'{source}.mlp.fc1', f'{target}.ffn.layers.0.0', 'M', 'D'),
        *_linear(f'{source}.mlp.fc2', f'{target}.ffn.layers.1', 'D', 'M'),
        *_norm('backbone.last_norm', 'backbone.ln1', 'D'),
    ]


def _decoder(head: str) -> list[Rule]:
    source, target = f'{head}.transformer', f'{head}.decoder'
    layer, ours = f'{source}.transformer.layers.{{j}}', f'{target}.layers.{{j}}'
    return [
        Rule(f'{source}.pos_embedding', (1, 1, 'E'), f'{target}.pos_embed'),
        *_linear(f'{source}.to_token_embedding', f'{target}.token_embed', 'E', 1),
        *_norm(f'{layer}.0.norm', f'{ours}.norm_self', 'E'),
        Rule(
            f'{layer}.0.fn.to_qkv.weight', ('3A', 'E'), f'{ours}.self_attn.qkv.weight'
        ),
        *_linear(f'{layer}.0.fn.to_out.0', f'{ours}.self_attn.proj', 'E', 'A'),
        *_norm(f'{layer}.1.norm', f'{ours}.norm_cross', 'E'),
        Rule(f'{layer}.1.fn.to_kv.weight', ('2A', 'D'), f'{ours}.cross_attn.kv.weight'),
        Rule(f'{layer}.1.fn.to_q.weight', ('A', 'E'), f'{ours}.cross_attn.q.weight'),
        *_linear(f'{layer}.1.fn.to_out.0', f'{ours}.cross_attn.proj', 'E', 'A'),
        *_norm(f'{layer}.2.norm', f'{ours}.norm_ffn', 'E'),
        *_linear(f'{layer}.2.fn.net.0', f'{ours}.ffn.fc1', 'F', 'E'),
        *_linear(f'{layer}.2.fn.net.3', f'{ours}.ffn.fc2', 'E', 'F'),
    ]


def _mano_head() -> list[Rule]:
    head = 'mano_head'
    table = _decoder(head)
    for source, target, size in (
        ('hand_pose', 'pose', 96),
        ('betas', 'betas', 10),
        ('cam', 'cam', 3),
    ):
        table.append(Rule(f'{head}.init_{source}', (1, size), f'{head}.init_{target}'))
    for source, target, size in (
        ('pose', 'pose', 96),
        ('shape', 'shape', 10),
        ('cam', 'cam', 3),
    ):
        table += _linear(f'{head}.dec{source}', f'{head}.fc_{target}', size, 'E')
    return table


def _readouts(variant: str) -> list[Rule]:
    source = 'uncertainty_head.dec3dkeypoint'
    if variant == 'full':
        return [
            *_linear(f'{source}_cov', f'{COVARIANCE}fc_tril', 63 * 62 // 2, 'E'),
            *_linear(f'{source}_diag', f'{COVARIANCE}fc_log_diag', 63, 'E'),
        ]
    if variant == 'diag':
        source += '.0'
    table = _linear(source, f'{COVARIANCE}fc_log_var', 63, 'E')
    if variant == 'ours':
        table.append(Rule(MIXING, (63, 63), f'{COVARIANCE}mixing'))
    return table


def _left_out(variant: str) -> list[Rule]:
    """MANO's arrays (licence), the discriminator, and buffers that nothing reads."""
    shapes = {
        'initialized': (),
        'mano.shapedirs': (778, 3, 10),
        'mano.v_template': (778, 3),
        'mano.J_regressor': (16, 778),
        'mano.posedirs': (135, 2334),
        'mano.lbs_weights': (778, 16),
        'mano.hand_components': (6, 45),
        'mano.hand_mean': (45,),
        'mano.pose_mean': (48,),
        'mano.faces_tensor': (1538, 3),
        'mano.parents': (16,),
        'mano.extra_joints_idxs': (5,),
        'mano.joint_map': (21,),
        'mano.vertex_joint_selector.extra_joints_idxs': (5,),
        'discriminator.D_conv1.weight': (32, 9, 1, 1),
        'discriminator.D_conv1.bias': (32,),
        'discriminator.D_conv2.weight': (32, 32, 1, 1),
        'discriminator.D_conv2.bias': (32,),
    }
    if variant != 'deterministic':
        for name, size in (('hand_pose', 96), ('betas', 10), ('cam', 3)):
            shapes[f'uncertainty_head.init_{name}'] = (1, size)
    table = [Rule(name, shape, None) for name, shape in shapes.items()]
    for name, rows, columns in (
        ('pose_out.{n}', 1, 32),
        ('betas_fc1', 10, 10),
        ('betas_fc2', 5, 10),
        ('betas_out', 1, 5),
        ('D_alljoints_fc1', 1024, 480),
        ('D_alljoints_fc2', 1024, 1024),
        ('D_alljoints_out', 1, 1024),
    ):
        table += _linear(f'discriminator.{name}', None, rows, columns)
    return table


def _group(name: str) -> str:
    """Tensors that come and go together."""
    if name.startswith('uncertainty_head.init_'):
        return 'uncertainty_head.init_'
    return name.split('.')[0]


def _expand(source: str, counts: dict[str, int]) -> list[str]:
    letter = re.search(r'\{(\w)\}', source)
    if letter is None:
        return [source]
    return [source.format(**{letter[1]: k}) for k in range(counts[letter[1]])]


def _pattern(source: str) -> str:
    return re.sub(r'\\\{(\w)\\\}', r'(?P<\1>\\d+)', re.escape(source))


def _count(state: dict, pattern: str, official: int) -> int:
    found = [
        int(match[1]) for match in (re.match(pattern, name) for name in state) if match
    ]
    return 1 + max(found) if found else official


def _sizes(state: dict[str, Tensor], expected: dict[str, Rule]) -> dict[str, int]:
    """Sizes on which most tensors agree; the official one where none says."""
    votes = defaultdict(Counter)
    for name, rule in expected.items():
        if name not in state or state[name].dim() != len(rule.shape):
            continue
        for entry, size in zip(rule.shape, state[name].shape):
            if isinstance(entry, str):
                factor, letter = int(entry[:-1] or 1), entry[-1]
                if size % factor == 0:
                    votes[letter][size // factor] += 1
    sizes = {
        letter: (votes[letter].most_common(1) or [(OFFICIAL[letter],)])[0][0]
        for letter in 'DPMEAF'
    }
    # The grid of patches is 4 m high and 3 m wide.
    if math.isqrt((sizes['P'] - 1) // 12) ** 2 * 12 != sizes['P'] - 1:
        sizes['P'] = OFFICIAL['P']
    return sizes


def _size(entry, sizes: dict[str, int]) -> int:
    if isinstance(entry, int):
        return entry
    return int(entry[:-1] or 1) * sizes[entry[-1]]
