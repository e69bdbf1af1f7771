import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.gaussian.mixing import MixingFactors, compose
from mmhand_dne.hand_model import load_cc0_hand
from tests.oracles import hamer_official as official
from tests.oracles.lightning_files import write_lightning
from tests.test_compat.test_foreign_checkpoint import Code
from tools.model_converters import convert_hamer as tool

COVARIANCES = dict(
    diag=dict(type='DiagonalCovariance'),
    full=dict(type='FullCovariance'),
    ours=dict(type='CorrelatedCovariance'),
    ours_wo_linear=dict(type='CorrelatedCovariance', linear=False),
)
NORM = 'uncertainty_head.transformer.transformer.layers.1.2.norm'


def official_state(variant, **kwargs):
    return official.official_state(variant, load_cc0_hand(), **kwargs)


@pytest.mark.parametrize(
    ('variant', 'count'),
    [
        ('deterministic', 563),
        ('diag', 673),
        ('full', 675),
        ('ours', 674),
        ('ours_wo_linear', 673),
    ],
)
def test_every_official_tensor_of_the_full_size_is_expected(variant, count):
    """Without memory: tensors on torch's meta device."""
    state = {
        name: torch.empty(shape, device='meta')
        for name, shape in official.official_shapes(variant, official.FULL).items()
    }
    state |= official.mano_tensors(load_cc0_hand())
    state['initialized'] = torch.empty((), device='meta')
    assert len(state) == count
    assert tool.find_variant(state) == variant
    expected, sizes, found = tool.account(state, variant)
    assert expected.keys() == state.keys() and not any(found)
    assert sizes == tool.OFFICIAL
    targets = [tool.target_name(name, rule) for name, rule in expected.items()]
    kept = [name for name in targets if name is not None]
    assert len(set(kept)) == len(kept)
    left_out = 60 if variant == 'deterministic' else 63
    assert targets.count(None) == left_out


@pytest.mark.parametrize('variant', official.VARIANTS)
def test_command_converts_each_variant(tmp_path, capsys, variant):
    source, out = tmp_path / 'in.ckpt', tmp_path / 'new' / 'out.pth'
    state = official_state(variant)
    write_lightning(source, state)
    tool.main([str(source), str(out)])
    printed = capsys.readouterr().out
    assert printed.startswith(f'{variant}: {tool.VARIANTS[variant]}, with 64 channels')
    assert '13 of mano left out' in printed and '46 of discriminator' in printed
    written = torch.load(out, weights_only=True)
    assert written.keys() == {'meta', 'state_dict'}
    assert written['meta']['variant'] == variant
    assert written['meta']['source'] == 'in.ckpt'
    assert not [n for n in written['state_dict'] if 'mano.' in n or 'discrim' in n]
    assert [path.name for path in out.parent.iterdir()] == ['out.pth']


def test_tensors_go_where_they_belong(tmp_path):
    state = official_state('ours')
    found, _ = tool.convert(state)
    for name, ours in {
        'backbone.blocks.1.mlp.fc2.bias': 'backbone.layers.1.ffn.layers.1.bias',
        'backbone.last_norm.weight': 'backbone.ln1.weight',
        'mano_head.init_hand_pose': 'mano_head.init_pose',
        'mano_head.decshape.weight': 'mano_head.fc_shape.weight',
        'mano_head.transformer.transformer.layers.1.1.fn.to_kv.weight': (
            'mano_head.decoder.layers.1.cross_attn.kv.weight'
        ),
        f'{NORM}.bias': 'uncertainty_head.decoder.layers.1.norm_ffn.bias',
        'uncertainty_head.dec3dkeypoint.weight': (
            'uncertainty_head.covariance.fc_log_var.weight'
        ),
    }.items():
        torch.testing.assert_close(found[ours], state[name], rtol=0, atol=0)


def test_row_0_of_the_positions_is_added_to_every_patch():
    state = official_state('deterministic')
    found, _ = tool.convert(state)
    old, new = state['backbone.pos_embed'], found['backbone.pos_embed']
    assert new.shape == (1, 192, 64)
    for patch in (0, 100, 191):
        wanted = old[0, patch + 1] + old[0, 0]
        torch.testing.assert_close(new[0, patch], wanted)


def test_mixing_is_exact():
    state = official_state('ours')
    found, _ = tool.convert(state)
    prefix = tool.COVARIANCE
    names = ('lower_upper', 'base', 'base_log_det')
    factors = MixingFactors(*(found[prefix + name].double() for name in names))
    mixing = torch.linalg.inv(compose(factors)[0])
    wanted = state['out_layer_keypoints_3d.weight'].double()
    torch.testing.assert_close(mixing, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize('variant', list(COVARIANCES))
def test_covariance_equals_the_documented_density(variant):
    state = official_state(variant, seed=3)
    found, _ = tool.convert(state)
    part = MODELS.build(
        dict(COVARIANCES[variant], in_channels=official.SMALL['token'], dim=63)
    )
    prefix = tool.COVARIANCE
    part.load_state_dict(
        {n.removeprefix(prefix): v for n, v in found.items() if n.startswith(prefix)}
    )
    token = torch.randn(3, official.SMALL['token'], generator=torch.manual_seed(0))
    state = {n: v.double() if v.is_floating_point() else v for n, v in state.items()}
    wanted = official.covariance(state, variant, token.double())
    gaussian = part.gaussian(part(token), torch.zeros(3, 63))
    error = (gaussian.covariance() - wanted).norm() / wanted.norm()
    assert error < 1e-4


def test_half_precision_becomes_single():
    state = official_state('diag')
    halves = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    found, _ = tool.convert(halves)
    assert {value.dtype for value in found.values()} == {torch.float32}


def test_plain_state_dict_is_accepted(tmp_path):
    state = official_state('deterministic')
    torch.save(state, tmp_path / 'in.ckpt')
    torch.testing.assert_close(tool.read_state(str(tmp_path / 'in.ckpt')), state)


def test_groups_that_are_left_out_may_be_absent():
    state = official_state('diag')
    whole, _ = tool.convert(state)
    parts = {
        n: v
        for n, v in state.items()
        if not n.startswith(('mano.', 'discriminator.', 'initialized'))
    }
    torch.testing.assert_close(tool.convert(parts)[0], whole)


def test_discriminator_is_kept_on_request(tmp_path, capsys):
    state = official_state('ours')
    source, out = tmp_path / 'in.ckpt', tmp_path / 'out.pth'
    torch.save(dict(state_dict=state), source)
    tool.main([str(source), str(out), '--keep-discriminator'])
    assert 'of discriminator left out' not in capsys.readouterr().out
    found = torch.load(out, weights_only=True)['state_dict']
    kept = {n: v for n, v in state.items() if n.startswith('discriminator.')}
    torch.testing.assert_close({n: found.get(n) for n in kept}, kept)
    MODELS.build(dict(type='MANOPriorDiscriminator')).load_state_dict(
        {n.removeprefix('discriminator.'): v for n, v in kept.items()}
    )
    with pytest.raises(ValueError, match='has no discriminator; convert it without'):
        tool.convert({n: v for n, v in state.items() if n not in kept}, True)


def diagnosis(**changes):
    state = official_state('ours')
    for name, value in state.items():
        if name.startswith('uncertainty_head.') and '.norm.' in name:
            value.fill_(float(name.endswith('weight')))
    for name, value in changes.items():
        state[dict(mixing=tool.MIXING, norm=f'{NORM}.bias')[name]].mul_(0).add_(value)
    return tool.diagnose(state, 'ours')


def test_diagnosis_of_a_head_that_was_never_trained():
    lines = diagnosis()
    assert 'random start <= 0.12599: W never left its random start' in lines[0]
    assert '12 of 12 norm weights and biases' in lines[1]
    assert lines[1].endswith('they were never trained') and len(lines) == 2


def test_diagnosis_of_a_trained_head():
    lines = diagnosis(mixing=torch.eye(63), norm=1e-6)
    assert lines[0].startswith('W: max|W| = 1.00000')
    assert lines[0].endswith('W was changed by training')
    assert '11 of 12' in lines[1] and lines[1].endswith('they were trained')


def test_joints_of_another_regressor_are_named():
    state = official_state('deterministic')
    assert not tool.diagnose(state, 'deterministic')
    state['mano.extra_joints_idxs'] = torch.tensor([745, 317, 445, 556, 673])
    assert 'mano.extra_joints_idxs is [745' in tool.diagnose(state, 'deterministic')[0]


def lose(name):
    def change(state):
        del state[name]

    return change


def add(name):
    def change(state):
        state[name] = torch.zeros(3)

    return change


def reshape(name, *shape):
    def change(state):
        state[name] = torch.zeros(shape)

    return change


LAYER = 'mano_head.transformer.transformer.layers.0'


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lose(f'{LAYER}.1.fn.to_q.weight'), f'1 missing .{LAYER}.1.fn.to_q.weight'),
        (lose('mano_head.init_cam'), '1 missing .mano_head.init_cam'),
        (lose('backbone.blocks.0.norm1.bias'), '1 missing .backbone.blocks.0.norm1'),
        (lose('mano.posedirs'), '1 missing .mano.posedirs'),
        (lose('uncertainty_head.dec3dkeypoint.bias'), '1 missing .uncertainty_head'),
        (add('backbone.cls_token'), '1 extra .backbone.cls_token'),
        (add('mano.surprise'), '1 extra .mano.surprise'),
        (add('refine_net.0.weight'), '1 extra .refine_net.0.weight'),
        (
            reshape('backbone.pos_embed', 1, 192, 64),
            r'1 misshapen .backbone.pos_embed \(1, 192, 64\) instead of \(1, 193, 64\)',
        ),
        (
            reshape('mano_head.decpose.weight', 144, 48),
            r'1 misshapen .mano_head.decpose.weight \(144, 48\) instead of \(96, 48\)',
        ),
        (reshape(f'{LAYER}.2.fn.net.0.bias', 41), '1 misshapen'),
        (reshape('out_layer_keypoints_3d.weight', 60, 60), '1 misshapen .out_layer'),
        (
            lambda s: s['mano_head.deccam.bias'].fill_(float('nan')),
            'mano_head.deccam.bias holds NaN',
        ),
        (lambda s: s['out_layer_keypoints_3d.weight'].zero_().add_(1), 'W .*condition'),
    ],
)
def test_tensors_that_do_not_agree_are_listed(tmp_path, capsys, change, words):
    state = official_state('ours')
    change(state)
    with pytest.raises(ValueError, match=words):
        tool.convert(state)


def test_all_disagreements_are_listed_at_once(tmp_path, capsys):
    state = official_state('ours')
    for change in (
        lose('mano_head.init_cam'),
        lose('mano_head.init_betas'),
        add('x'),
        reshape('mano_head.deccam.bias', 4),
    ):
        change(state)
    source, out = tmp_path / 'in.ckpt', tmp_path / 'out.pth'
    torch.save(dict(state_dict=state), source)
    with pytest.raises(SystemExit) as stop:
        tool.main([str(source), str(out)])
    assert stop.value.code == 2 and not out.exists()
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        'missing: mano_head.init_betas',
        'missing: mano_head.init_cam',
        'extra: x',
        'misshapen: mano_head.deccam.bias (4,) instead of (3,)',
    ]
    assert printed.err.startswith(f'error: {source}: the tensors are not those of')
    assert printed.err.count('\n') == 1


@pytest.mark.parametrize(
    'state',
    [
        {},
        {'smpl.v_template': torch.zeros(3)},
        {'backbone.pos_embed': torch.zeros(1, 193, 8), 'head.weight': torch.zeros(3)},
    ],
)
def test_checkpoint_of_another_model_is_refused(state):
    with pytest.raises(ValueError, match='which are not those of HaMeR'):
        tool.convert(state)


@pytest.mark.parametrize('content', [3, [torch.zeros(2)], dict(epoch=1)])
def test_file_without_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'in.ckpt')
    with pytest.raises(ValueError, match=r"in\.ckpt: holds no 'state_dict'"):
        tool.read_state(str(tmp_path / 'in.ckpt'))


def test_malicious_checkpoint_is_refused_by_the_command(tmp_path):
    source, trace = tmp_path / 'in.ckpt', tmp_path / 'trace'
    state = official_state('deterministic')
    write_lightning(source, state, callbacks=Code(eval, f'open({str(trace)!r}, "w")'))
    command = [
        sys.executable,
        str(Path(tool.__file__)),
        str(source),
        str(tmp_path / 'out.pth'),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.count('\n') == 1
    assert f'error: {source}: the checkpoint wants to run builtins.eval' in run.stderr
    assert not trace.exists() and not (tmp_path / 'out.pth').exists()


def test_name_of_the_output_is_checked_first(tmp_path, capsys):
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'none.ckpt'), str(tmp_path / 'out.ckpt')])
    assert 'let the name end in .pth' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'none.ckpt'), str(tmp_path / 'out.pth')])
    assert 'none.ckpt' in capsys.readouterr().err
