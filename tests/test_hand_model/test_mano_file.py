"""Reading MANO files: the official format, smplx as second witness, refusals."""

import os
import pickle
import sys

import numpy as np
import pytest
import scipy.sparse
import smplx
import torch

from mmhand_dne.hand_model import HandPair, MANOLayer, load_cc0_hand, read_mano
from mmhand_dne.hand_model.mirror import hand_side, mirror_hand, repair_left_shapes
from tests.oracles.mano_files import chumpy_installed, write_official, write_plain

KEYS = (
    'v_template', 'f', 'shapedirs', 'posedirs', 'J_regressor', 'weights',
    'kintree_table', 'hands_components', 'hands_mean',
)  # fmt: skip


@pytest.fixture(scope='module')
def right():
    """The CC0 hand's nine arrays with mean and betas that are not symmetric."""
    return {key: value for key, value in load_cc0_hand().items() if key in KEYS}


@pytest.fixture(scope='module')
def unrepaired_left(right):
    """A left hand as published: everything mirrored but the x shape directions."""
    left = mirror_hand(right)
    left['shapedirs'] = left['shapedirs'] * np.array([-1.0, 1.0, 1.0])[:, None]
    return left


@pytest.fixture(scope='module')
def folder(tmp_path_factory, right, unrepaired_left):
    folder = tmp_path_factory.mktemp('models') / 'mano'  # the name smplx looks for
    folder.mkdir()
    write_official(folder / 'MANO_RIGHT.pkl', right)
    write_official(folder / 'MANO_LEFT.pkl', unrepaired_left)
    return folder


def assert_same_arrays(found, expected):
    assert set(found) == set(KEYS)
    for key in KEYS:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


@pytest.mark.parametrize('select', [False, True])
def test_official_file_is_read_without_chumpy(tmp_path, right, select):
    write_official(tmp_path / 'MANO_RIGHT.pkl', right, select)
    content = (tmp_path / 'MANO_RIGHT.pkl').read_bytes()
    assert b'chumpy.' in content and b'csc_matrix' in content
    assert 'chumpy' not in sys.modules
    found = read_mano(tmp_path / 'MANO_RIGHT.pkl')
    assert_same_arrays(found, right)
    assert found['v_template'].dtype == np.float32
    assert all(found[key].flags.writeable for key in KEYS)
    assert found['f'].dtype == found['kintree_table'].dtype == np.int64
    assert 'chumpy' not in sys.modules


@pytest.mark.parametrize('module', [b'scipy.sparse.csc', b'scipy.sparse._csc'])
def test_old_and_new_names_of_scipy_are_known(tmp_path, folder, right, module):
    content = (folder / 'MANO_RIGHT.pkl').read_bytes()
    assert content.count(b'cscipy.sparse._csc\n') == 1
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(content.replace(b'cscipy.sparse._csc\n', b'c' + module + b'\n'))
    assert_same_arrays(read_mano(path), right)


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_file_saved_again_by_python_3(tmp_path, right, protocol):
    write_plain(tmp_path / 'MANO_RIGHT.pkl', right, protocol)
    assert_same_arrays(read_mano(tmp_path / 'MANO_RIGHT.pkl'), right)


def test_npz_is_read(tmp_path, right):
    np.savez(tmp_path / 'MANO_RIGHT.npz', **right)
    assert_same_arrays(read_mano(tmp_path / 'MANO_RIGHT.npz'), right)
    layer = MANOLayer(source=tmp_path)
    torch.testing.assert_close(layer.v_template, MANOLayer().v_template)


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('mean', [True, False])
def test_layer_equals_smplx_create_on_the_same_file(folder, side, mean):
    numbers = torch.Generator().manual_seed(3)
    pose = 0.5 * torch.randn(4, 48, generator=numbers)
    betas = torch.randn(4, 10, generator=numbers)
    with chumpy_installed():
        official = smplx.create(
            str(folder.parent), 'mano', is_rhand=side == 'right', use_pca=False,
            flat_hand_mean=not mean, num_betas=10, batch_size=4,
        )  # fmt: skip
    if side == 'left':  # what every user of smplx does by hand
        official.shapedirs[:, 0] *= -1
    with torch.no_grad():
        expected = official(
            betas=betas, global_orient=pose[:, :3], hand_pose=pose[:, 3:]
        ).vertices
    layer = MANOLayer(side, folder)
    found = layer(layer.absolute_pose(pose, mean=mean), betas)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_principal_components_equal_those_of_smplx(folder):
    coefficients = torch.randn(2, 12, generator=torch.Generator().manual_seed(4))
    with chumpy_installed():
        official = smplx.create(
            str(folder.parent), 'mano', use_pca=True, num_pca_comps=12, batch_size=2
        )
    with torch.no_grad():
        expected = official(hand_pose=coefficients).vertices
    layer = MANOLayer('right', folder)
    pose = torch.cat([torch.zeros(2, 3), layer.pca_pose(coefficients)], 1)
    found = layer(layer.absolute_pose(pose, mean=True), torch.zeros(2, 10))
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_left_shapes_are_repaired_once(right, unrepaired_left):
    repaired = repair_left_shapes(unrepaired_left, right)
    expected = mirror_hand(right)['shapedirs']
    np.testing.assert_array_equal(repaired['shapedirs'], expected)
    again = repair_left_shapes(repaired, right)
    np.testing.assert_array_equal(again['shapedirs'], repaired['shapedirs'])
    assert np.abs(unrepaired_left['shapedirs'] - repaired['shapedirs']).sum() > 1


def test_pair_of_an_official_folder_is_a_mirrored_pair(folder):
    betas = torch.tensor([2.0, -1.0, 1.0, 0, 0, 1.0, 0, 0, 0, 0]).expand(1, 2, 10)
    pair = HandPair(str(folder))
    vertices = pair(pair.mean_rotations[None], betas).vertices[0]
    expected = vertices[0] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(vertices[1], expected, atol=1e-6, rtol=0)


def test_right_file_alone_serves_both_sides(folder):
    pair = HandPair(folder / 'MANO_RIGHT.pkl')
    free = HandPair()
    torch.testing.assert_close(pair.template, free.template)
    assert torch.equal(pair.faces, free.faces)


def test_left_file_finds_its_right_one(folder, right):
    layer = MANOLayer('left', folder / 'MANO_LEFT.pkl')
    found = layer.layer.shapedirs
    np.testing.assert_array_equal(found, mirror_hand(right)['shapedirs'])


def test_side_is_read_off_the_mesh(right):
    assert hand_side(right) == 'right'
    assert hand_side(mirror_hand(right)) == 'left'


def test_mirroring_twice_changes_nothing(right):
    twice = mirror_hand(mirror_hand(right))
    assert all(np.array_equal(twice[key], right[key]) for key in KEYS)


class Evil:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize('protocol', [0, 2, 5])
@pytest.mark.parametrize('inside', [False, True])
def test_code_in_a_file_is_refused_and_not_executed(tmp_path, right, protocol, inside):
    proof = tmp_path / 'executed'
    evil = Evil(os.mkdir, str(proof))
    path = tmp_path / 'MANO_RIGHT.pkl'
    content = {**right, 'hands_mean': evil} if inside else evil
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(ValueError, match=r'asks to load posix\.mkdir') as error:
        read_mano(path)
    assert str(error.value).startswith(str(path))
    assert not proof.exists()
    with open(path, 'rb') as file:  # the file is armed: a plain pickle.load executes
        pickle.load(file)
    assert proof.exists()


@pytest.mark.parametrize(
    'payload, name',
    [
        (b'cbuiltins\neval\n(S"1"\ntR.', 'builtins.eval'),
        (b'c__builtin__\ngetattr\n.', '__builtin__.getattr'),
        (b'cnumpy.testing._private.utils\nrunstring\n.', 'runstring'),
        (b'cnumpy\nload\n.', 'numpy.load'),
        (b'ccopyreg\n__newobj__\n.', '__newobj__'),
        (b'cscipy.sparse\nload_npz\n.', 'scipy.sparse.load_npz'),
    ],
)
def test_harmless_looking_modules_are_refused_by_name(tmp_path, payload, name):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(payload)
    with pytest.raises(ValueError, match=f'asks to load .*{name}'):
        read_mano(path)


def broken(right, **changes):
    arrays = {**right, **changes}
    return {key: value for key, value in arrays.items() if value is not None}


@pytest.mark.parametrize(
    'change, sentence',
    [
        (lambda a: dict(posedirs=None, weights=None), 'lacks posedirs, weights'),
        (lambda a: dict(weights=a['weights'][:, :15]), r'has shape \(778, 15\)'),
        (lambda a: dict(shapedirs=a['shapedirs'] * np.nan), "'shapedirs' has NaN"),
        (lambda a: dict(hands_mean=np.array(['a'] * 45)), "'hands_mean'"),
        (lambda a: dict(hands_mean=None, v_template=7.0), 'lacks hands_mean'),
        (lambda a: dict(v_template=7.0), "'v_template'"),
        (lambda a: dict(f=a['f'] + 1), "'f' names vertices outside 0..777"),
        (lambda a: dict(shapedirs=a['shapedirs'][..., :9]), '9 directions'),
        (lambda a: dict(kintree_table=a['kintree_table'][:, ::-1]), 'not the tree'),
    ],
)
@pytest.mark.parametrize('suffix', ['.pkl', '.npz'])
def test_what_is_not_mano_is_one_sentence(tmp_path, right, change, sentence, suffix):
    path = tmp_path / f'MANO_RIGHT{suffix}'
    arrays = broken(right, **change(right))
    if suffix == '.npz':
        np.savez(path, **arrays)
    else:
        write_plain(path, arrays)
    with pytest.raises(ValueError, match=sentence) as error:
        read_mano(path)
    assert str(error.value).startswith(str(path)) and '\n' not in str(error.value)


@pytest.mark.parametrize(
    'content', [b'', b'not a pickle', b'\x80\x02]q\x00.', b'PK\3\4']
)
@pytest.mark.parametrize('suffix', ['.pkl', '.npz'])
def test_other_files_are_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f'MANO_RIGHT{suffix}'
    path.write_bytes(content)
    with pytest.raises(ValueError, match="or source='cc0'") as error:
        read_mano(path)
    assert str(error.value).startswith(str(path)) and '\n' not in str(error.value)


def test_truncated_file_is_one_sentence(tmp_path, folder):
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes((folder / 'MANO_RIGHT.pkl').read_bytes()[:100000])
    with pytest.raises(ValueError, match='is not a readable pickle'):
        read_mano(path)


@pytest.mark.parametrize('damage', ['indptr', 'indices', 'shape'])
def test_damaged_sparse_matrix_is_refused_before_allocating(right, tmp_path, damage):
    matrix = scipy.sparse.csc_matrix(right['J_regressor'])
    if damage == 'shape':
        matrix._shape = (16, 10**12)
    else:
        array = getattr(matrix, damage)
        array[-1] = 2**30
    path = tmp_path / 'MANO_RIGHT.pkl'
    write_plain(path, {**right, 'J_regressor': matrix})
    with pytest.raises(ValueError, match="'J_regressor' .*damaged sparse matrix"):
        read_mano(path)


def test_npz_with_objects_is_refused(tmp_path, right):
    np.savez(tmp_path / 'a.npz', **{**right, 'f': np.array([Evil(print)], object)})
    with pytest.raises(ValueError, match='npz of plain arrays'):
        read_mano(tmp_path / 'a.npz')


def test_missing_files_say_what_to_do(tmp_path, right, folder):
    with pytest.raises(ValueError, match='no such MANO file'):
        read_mano(tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ValueError, match='neither MANO_RIGHT.pkl nor MANO_RIGHT.npz'):
        MANOLayer(source=tmp_path)
    write_plain(tmp_path / 'MANO_RIGHT.pkl', right)
    with pytest.raises(ValueError, match='MANO_LEFT.*mirror image'):
        HandPair(tmp_path)
    with pytest.raises(ValueError, match='holds a left hand'):
        MANOLayer('right', folder / 'MANO_LEFT.pkl')
    write_plain(tmp_path / 'MANO_LEFT.pkl', right)
    with pytest.raises(ValueError, match='holds a right hand, expected a left one'):
        HandPair(tmp_path)


def test_left_file_without_its_right_one_is_refused(tmp_path, unrepaired_left):
    write_official(tmp_path / 'MANO_LEFT.pkl', unrepaired_left)
    with pytest.raises(ValueError, match='neither MANO_RIGHT.pkl'):
        MANOLayer('left', tmp_path / 'MANO_LEFT.pkl')
