"""All formats say the same, and their readers agree."""

import json
import pickle
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
import smplx
import torch
from smplx.utils import Struct

from mmhand_dne.apis.result_writers import read_json, write
from mmhand_dne.apis.result_writers.json_writer import as_text
from mmhand_dne.hand_model import MANOLayer
from mmhand_dne.hand_model.mano_file import MANO_SHAPES
from mmhand_dne.hand_model.mano_source import load_hand
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from tests.tiny_inferencers import DNE, HAMER, noise_image, tiny_inferencer

FORMATS = ('json', 'npz', 'obj', 'ply', 'glb', 'pkl-smplx')
TO_VIEWER = np.array([1.0, -1, -1])
HUNDREDTH = 1e-5  # metres; a hundredth of a millimetre


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('results')


@pytest.fixture(scope='module', params=[DNE, HAMER])
def written(request, folder):
    """A result with a right and a left hand, and where its files are."""
    hamer = request.param == HAMER
    inferencer = tiny_inferencer(request.param, folder, output_maps=not hamer)
    [result] = inferencer.results(
        noise_image(),
        presence_thr=0,
        intrinsics=[300, 310, 99, 80],
        side='both' if hamer else None,
    )
    paths = write(result, folder / request.param, FORMATS, 'photo')
    return result, folder / request.param, paths


def camera_vertices(hand):
    return hand.vertices.astype(float) + hand.translation


def test_every_format_has_its_files(written):
    _, _, paths = written
    assert [path.name for path in paths] == [
        'photo.json',
        'photo.npz',
        'photo.obj',
        'photo.ply',
        'photo.glb',
        'photo_right_hand.smplx.pkl',
        'photo_left_hand.smplx.pkl',
    ]
    assert all(path.exists() for path in paths)


def test_json_comes_back_unchanged(written):
    result, folder, _ = written
    found = read_json(folder / 'photo.json')
    for name in ('source', 'index', 'size', 'problem', 'track_ids'):
        assert getattr(found, name) == getattr(result, name)
    for back, hand in zip(found.hands, result.hands, strict=True):
        for name, value in vars(hand).items():
            other = getattr(back, name)
            if name == 'mano':
                for part, numbers in vars(value).items():
                    assert (getattr(other, part) == numbers).all()
            elif isinstance(value, np.ndarray):
                assert other.dtype == value.dtype and (other == value).all(), name
            else:
                assert other == value, name
    plain = json.loads((folder / 'photo.json').read_text())
    assert (plain['schema'], plain['version']) == ('mmhand_dne/result', 1)
    plain['hands'][0]['a_later_field'] = 1
    (folder / 'later.json').write_text(json.dumps(plain))
    assert len(read_json(folder / 'later.json').hands) == 2


def test_npz_holds_the_same_arrays(written):
    result, folder, _ = written
    with np.load(folder / 'photo.npz', allow_pickle=False) as found:
        assert found['side'].tolist() == ['right', 'left']
        for i, hand in enumerate(result.hands):
            for name in ('vertices', 'translation', 'joints_2d', 'faces'):
                assert (found[name][i] == getattr(hand, name)).all()
            assert (found['mano_transl'][i] == hand.mano.transl).all()
        assert ('joint_std' in found) == (result.hands[0].joint_std is not None)
        assert ('map_depth' in found) == (result.maps is not None)


@pytest.mark.parametrize('ending', ['obj', 'ply'])
def test_meshes_agree_with_the_result(written, ending):
    trimesh = pytest.importorskip('trimesh', reason='reads the written meshes')
    result, folder, _ = written
    mesh = trimesh.load(
        folder / f'photo.{ending}',
        process=False,
        force='mesh',
        **(dict(maintain_order=True) if ending == 'obj' else {}),
    )
    wanted = np.concatenate([camera_vertices(hand) for hand in result.hands])
    assert np.abs(mesh.vertices - wanted * TO_VIEWER).max() < HUNDREDTH
    count = len(result.hands[0].vertices)
    faces = np.concatenate(
        [hand.faces + i * count for i, hand in enumerate(result.hands)]
    )
    assert (mesh.faces == faces).all() and mesh.volume > 0
    if ending == 'obj':
        lines = (folder / 'photo.obj').read_text().splitlines()
        assert [line for line in lines if line.startswith('o ')] == [
            'o right_hand',
            'o left_hand',
        ]


def test_a_viewer_finds_both_hands_in_the_glb(written):
    trimesh = pytest.importorskip('trimesh', reason='reads the written meshes')
    result, folder, _ = written
    scene = trimesh.load(folder / 'photo.glb', process=False, force='scene')
    for hand in result.hands:
        pose, name = scene.graph[f'{hand.side}_hand']
        mesh = scene.geometry[name]
        points = mesh.vertices + pose[:3, 3]
        assert np.abs(points - camera_vertices(hand) * TO_VIEWER).max() < HUNDREDTH
        assert (mesh.faces == hand.faces).all() and mesh.volume > 0
        written_normals = mesh.vertex_normals
        fresh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        assert (written_normals * fresh.vertex_normals).sum(1).mean() > 0.99
        assert mesh.visual.material.name == f'{hand.side}_hand_skin'


def glb_chunks(path):
    content = path.read_bytes()
    magic, version, length = struct.unpack_from('<4sII', content)
    assert (magic, version, length) == (b'glTF', 2, len(content))
    chunks, start = [], 12
    while start < len(content):
        size, kind = struct.unpack_from('<I4s', content, start)
        assert size % 4 == 0
        chunks.append((kind, content[start + 8 : start + 8 + size]))
        start += 8 + size
    assert start == len(content) and [kind for kind, _ in chunks] == [b'JSON', b'BIN\0']
    return json.loads(chunks[0][1]), chunks[1][1]


def test_glb_keeps_the_rules_of_gltf(written):
    result, folder, _ = written
    tree, binary = glb_chunks(folder / 'photo.glb')
    assert tree['asset']['version'] == '2.0'
    assert tree['buffers'] == [dict(byteLength=len(binary))]
    end = 0
    for view in tree['bufferViews']:
        assert view['byteOffset'] % 4 == 0 and view['byteOffset'] >= end
        end = view['byteOffset'] + view['byteLength']
        assert end <= len(binary)
    sizes = {5126: 4, 5123: 2}
    for accessor in tree['accessors']:
        width = dict(SCALAR=1, VEC3=3)[accessor['type']]
        view = tree['bufferViews'][accessor['bufferView']]
        assert view['byteLength'] == (
            accessor['count'] * width * sizes[accessor['componentType']]
        )
    for node, hand in zip(tree['nodes'], result.hands, strict=True):
        assert node['extras']['side'] == hand.side
        [primitive] = tree['meshes'][node['mesh']]['primitives']
        assert tree['materials'][primitive['material']]['name']
        arrays = {}
        for name, number in dict(
            primitive['attributes'], indices=primitive['indices']
        ).items():
            accessor = tree['accessors'][number]
            view = tree['bufferViews'][accessor['bufferView']]
            kind = '<u2' if accessor['componentType'] == 5123 else '<f4'
            content = binary[
                view['byteOffset'] : view['byteOffset'] + view['byteLength']
            ]
            arrays[name] = np.frombuffer(content, kind)
            assert view['target'] == (34963 if name == 'indices' else 34962)
        points = arrays['POSITION'].reshape(-1, 3)
        bounds = tree['accessors'][primitive['attributes']['POSITION']]
        assert (np.float32(bounds['min']) == points.min(0)).all()
        assert (np.float32(bounds['max']) == points.max(0)).all()
        lengths = np.linalg.norm(arrays['NORMAL'].reshape(-1, 3), axis=1)
        assert np.abs(lengths - 1).max() < 5e-4
        assert arrays['indices'].max() < len(points)
        placed = points + np.array(node['translation'])
        assert np.abs(placed - camera_vertices(hand) * TO_VIEWER).max() < HUNDREDTH


def stock_layer(side, content):
    """smplx' layer of a released file: x of the left shape directions not mirrored."""
    arrays = dict(load_hand('cc0', side))
    if side == 'left':
        arrays['shapedirs'] = arrays['shapedirs'] * np.array([-1.0, 1, 1])[:, None]
    return smplx.MANO(
        '',
        data_struct=Struct(**{name: arrays[name] for name in MANO_SHAPES}),
        is_rhand=content['is_rhand'],
        flat_hand_mean=content['flat_hand_mean'],
        use_pca=content['use_pca'],
    )


def repaired(layer, content):
    """As the writer's docstring says."""
    if content['mirrored_shapedirs']:
        right = stock_layer('right', dict(content, is_rhand=True))
        if (layer.shapedirs[:, 0] - right.shapedirs[:, 0]).abs().sum() < 1:
            layer.shapedirs[:, 0] *= -1
    return layer


def test_smplx_users_get_the_regressed_mesh(written):
    result, folder, _ = written
    for hand in result.hands:
        # Only the test unpickles, and what it has just written.
        with open(folder / f'photo_{hand.side}_hand.smplx.pkl', 'rb') as file:
            content = pickle.load(file)
        content['betas'][:] = 2  # as far from the mean as real hands are
        names = 'global_orient', 'hand_pose', 'betas', 'transl'
        given = {name: torch.from_numpy(content[name]) for name in names}
        stock = stock_layer(hand.side, content)
        before = stock(**given).vertices[0].detach().numpy()
        after = repaired(stock, content)(**given).vertices[0].detach().numpy()
        ours = MANOLayer(hand.side)
        pose = torch.cat([given['global_orient'], given['hand_pose']], -1)[0]
        wanted, _ = ours.posed(ours.absolute_pose(pose, mean=False), given['betas'][0])
        wanted = wanted.numpy() + content['transl']
        assert np.abs(after - wanted).max() < HUNDREDTH
        assert repaired(stock, content) is stock  # and once more changes nothing
        again = stock(**given).vertices[0].detach().numpy()
        assert (again == after).all()
        off = np.abs(before - wanted).max()
        assert off > 1e-3 if hand.side == 'left' else off < HUNDREDTH
        assert ('note' in content) == (hand.side == 'left')


def test_parameters_of_smplx_are_the_regressed_mesh(written):
    result, folder, _ = written
    for hand in result.hands:
        with open(folder / f'photo_{hand.side}_hand.smplx.pkl', 'rb') as file:
            content = pickle.load(file)
        layer = repaired(stock_layer(hand.side, content), content)
        names = 'global_orient', 'hand_pose', 'betas', 'transl'
        mesh = layer(**{name: torch.from_numpy(content[name]) for name in names})
        wanted = hand.coarse_vertices
        wanted = hand.vertices if wanted is None else wanted
        gap = mesh.vertices[0].detach().numpy() - wanted
        assert np.ptp(gap, axis=0).max() < HUNDREDTH
        pose = content[f'{hand.side}_hand_pose']
        assert (pose == content['hand_pose']).all() and pose.shape == (1, 45)


def test_an_image_without_hands_has_a_record_and_no_mesh(tmp_path):
    empty = ImageResult('x/рука.jpg', 3, (20, 10), (), 'no hand found')
    paths = write(empty, tmp_path, FORMATS)
    assert [path.name for path in paths] == ['рука.json', 'рука.npz']
    found = read_json(paths[0])
    assert (found.source, found.index, found.problem) == (
        'x/рука.jpg',
        3,
        'no hand found',
    )


def test_a_name_that_is_no_text_comes_back(tmp_path):
    odd = ImageResult('x/caf\udce9.jpg', 3, (20, 10), (), 'no hand')
    for kind in FORMATS:
        write(odd, tmp_path, kind)
    assert read_json(tmp_path / 'caf\udce9.json').source == odd.source


def test_files_of_several_results_are_called_as_the_results(tmp_path):
    first = ImageResult('clip.mp4', 0, (20, 10), (), name='clip_000000')
    second = replace(first, index=1, name='clip_000001')
    paths = [write(result, tmp_path)[0].name for result in (first, second)]
    assert paths == ['clip_000000.json', 'clip_000001.json']
    assert write(first, tmp_path, name='other')[0].name == 'other.json'


def test_numbers_that_are_not_finite_survive(written, tmp_path):
    result, _, _ = written
    values = dict(vars(result.hands[0]))
    values['translation'] = np.full(3, np.nan, np.float32)
    odd = ImageResult('a', 0, (9, 9), (HandResult(**values),))
    paths = write(odd, tmp_path, FORMATS)
    assert 'NaN' not in paths[0].read_text()
    assert np.isnan(read_json(paths[0]).hands[0].translation).all()
    tree, _ = glb_chunks(tmp_path / 'a.glb')
    assert tree['nodes'][0]['translation'] == [0, 0, 0]


def test_other_files_are_refused(tmp_path):
    for text, sentence in (
        ('{', 'is not JSON'),
        ('[]', 'holds schema None'),
        ('{"schema": "mmhand_dne/result", "version": 2}', 'version 2; expected'),
        (
            '{"schema": "mmhand_dne/result", "version": 1}',
            "the field 'hands' is missing",
        ),
    ):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(ValueError, match=sentence):
            read_json(tmp_path / 'a.json')
    with pytest.raises(ValueError, match="unknown format 'stl'"):
        write(ImageResult('a', 0, (1, 1), ()), tmp_path, ['stl'])


def test_a_folder_that_cannot_be_written_holds_nothing_half_done(written, tmp_path):
    result, _, _ = written
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(OSError, match='cannot be written .*choose another'):
        write(result, tmp_path / 'file', ('json',), 'photo')
    (tmp_path / 'out' / 'photo.json').mkdir(parents=True)
    with pytest.raises(OSError, match='cannot be written'):
        write(result, tmp_path / 'out', ('json',), 'photo')
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['photo.json']


def plain_array(array):
    """Nested lists, number by number, as JSON is read back."""
    if array.ndim:
        return [plain_array(one) for one in array]
    number = array.item()
    return number if not isinstance(number, float) or np.isfinite(number) else None


def test_json_has_every_number_of_a_result_as_it_is(written):
    """Against lists made number by number; a name may hold what a number may be."""
    hand = written[0].hands[0]
    joints_2d = hand.joints_2d.copy()
    joints_2d[3] = np.nan, -np.inf
    joints_2d[4] = -0.0, 1e-30
    hand = replace(hand, joints_2d=joints_2d)
    result = ImageResult('-inf nan "1"\n.jpg', 3, (640, 480), (hand,), 'a nan')
    found = json.loads(as_text(result, time=1.5, version=9))
    assert found['source'] == result.source and found['problem'] == 'a nan'
    assert (found['time'], found['version'], found['index']) == (1.5, 9, 3)
    (own,) = found['hands']
    for field in fields(hand):
        value = getattr(hand, field.name)
        if isinstance(value, np.ndarray):
            read = np.array(own[field.name], dtype=object)
            wanted = np.array(plain_array(value), dtype=object)
            known = np.not_equal(wanted, None).astype(bool)
            assert (known == np.not_equal(read, None)).all()
            np.testing.assert_array_equal(read[known].astype(value.dtype), value[known])
    assert np.signbit(np.float32(own['joints_2d'][4][0]))
    assert own['mano']['betas'] == pytest.approx(hand.mano.betas.tolist(), rel=1e-7)
    assert 'vertices' not in json.loads(as_text(result, ['vertices']))['hands'][0]
