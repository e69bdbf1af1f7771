"""Written meshes in the programs that people open them with.

Each test is skipped, with a sentence, where its program is missing: trimesh (of the
extra ``tests``), Open3D (``pip install open3d``), Khronos' glTF validator
(``npm install gltf-validator``, with ``NODE_PATH`` naming its ``node_modules``).
"""

import json
import pickle
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmhand_dne.apis.result_writers import write
from mmhand_dne.apis.result_writers.viewer_scene import scene_of
from tests.moving_hands import frame, make_hand, smooth_vectors

WRIST = np.array([0.03, -0.05, 0.62])
MICROMETRE = 1e-6
VALIDATE = """
const validator = require('gltf-validator');
const bytes = new Uint8Array(require('fs').readFileSync(process.argv[1]));
validator.validateBytes(bytes, {maxIssues: 99})
  .then(report => console.log(JSON.stringify(report)));
"""


def hands_of(kind):
    pose, betas = smooth_vectors(9)[8], np.linspace(-1, 1, 10)
    right, left = (
        make_hand(pose, betas, WRIST + [shift, 0, 0], side)
        for side, shift in (('right', 0.0), ('left', 0.3))
    )
    return dict(
        one=(right,),
        left=(left,),
        both=(right, left),
        several=(right, replace(right, translation=right.translation + 0.2), left),
        nowhere=(replace(left, translation=np.full(3, np.nan, np.float32)),),
    )[kind]


@pytest.fixture(params=['one', 'left', 'both', 'several', 'nowhere'])
def written(request, tmp_path):
    """The hands as they should stand, and the files' path without its ending."""
    result = frame(0, *hands_of(request.param))
    write(result, tmp_path, ['obj', 'ply', 'glb', 'pkl-smplx', 'npz'], 'a')
    return scene_of(result), tmp_path / 'a'


def placed(scene):
    return np.concatenate([hand.vertices + hand.translation for hand in scene])


def all_faces(scene):
    count = len(scene[0].vertices)
    return np.concatenate([hand.faces + i * count for i, hand in enumerate(scene)])


@pytest.mark.parametrize('ending', ['obj', 'ply', 'glb'])
def test_trimesh_opens_them(written, ending):
    trimesh = pytest.importorskip('trimesh', reason='trimesh is not installed')
    scene, path = written
    options = dict(maintain_order=True) if ending == 'obj' else {}
    found = trimesh.load(f'{path}.{ending}', process=False, **options)
    if ending == 'glb':
        names = [hand.name for hand in scene]
        assert sorted(found.geometry) == sorted(names)
        found = found.to_mesh()
    elif isinstance(found, trimesh.Scene):
        found = found.to_mesh()
    np.testing.assert_allclose(
        np.sort(found.vertices, 0), np.sort(placed(scene), 0), atol=MICROMETRE
    )
    assert len(found.faces) == len(all_faces(scene))
    assert found.is_winding_consistent and found.volume > 0
    if ending != 'obj':  # trimesh leaves OBJ's objects without colour
        colors = {tuple(hand.color) for hand in scene}
        assert (
            ending == 'glb'
            or {tuple(c[:3]) for c in found.visual.vertex_colors} == colors
        )


@pytest.mark.parametrize('ending', ['obj', 'ply', 'glb'])
def test_open3d_opens_them(written, ending):
    open3d = pytest.importorskip('open3d', reason='Open3D is not installed')
    scene, path = written
    mesh = open3d.io.read_triangle_mesh(f'{path}.{ending}')
    assert len(mesh.triangles) == len(all_faces(scene))
    np.testing.assert_allclose(
        np.sort(np.asarray(mesh.vertices), 0),
        np.sort(placed(scene), 0),
        atol=2 * MICROMETRE,
    )
    assert mesh.has_vertex_normals()
    if ending == 'ply':
        assert mesh.has_vertex_colors()


@pytest.fixture(scope='module')
def validate():
    """Khronos' validator: the report about a file."""
    node = shutil.which('node')
    if node is None:
        pytest.skip('Node.js, which runs the glTF validator, is not installed')
    asked = subprocess.run(
        [node, '-e', "require('gltf-validator')"], capture_output=True, check=False
    )
    if asked.returncode:
        pytest.skip('gltf-validator is not installed (npm install, NODE_PATH)')

    def report(path):
        done = subprocess.run(
            [node, '-e', VALIDATE, str(path)], capture_output=True, check=True
        )
        return json.loads(done.stdout)

    return report


def test_khronos_validator_has_nothing_to_say(written, validate):
    scene, path = written
    report = validate(f'{path}.glb')
    issues = report['issues']
    assert issues['messages'] == []
    assert issues['numErrors'] == issues['numWarnings'] == 0
    assert report['info']['totalTriangleCount'] == len(all_faces(scene))
    assert report['info']['totalVertexCount'] == len(placed(scene))


def test_the_validator_sees_a_fault(written, validate):
    _, path = written
    glb = path.with_suffix('.glb')
    glb.write_bytes(glb.read_bytes().replace(b'"type":"VEC3"', b'"type":"VEC2"', 1))
    assert validate(glb)['issues']['numErrors'] > 0


def test_numpy_opens_them(written):
    scene, path = written
    with np.load(f'{path}.npz', allow_pickle=False) as found:
        assert found['vertices'].shape == (len(scene), 778, 3)
        assert found['faces'].dtype.kind == 'i'


def test_the_parameters_make_an_axis_angle_of_numpy(written):
    scene, path = written
    files = sorted(path.parent.glob('*.smplx.pkl'))
    assert len(files) == len(scene)
    for file in files:
        arrays = pickle.loads(file.read_bytes())
        for name, count in (
            ('global_orient', 3),
            ('hand_pose', 45),
            ('betas', 10),
            ('transl', 3),
        ):
            assert torch.from_numpy(arrays[name]).shape == (1, count)
