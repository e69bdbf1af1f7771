"""The exported file, and the runner without PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

if not hasattr(torch.library, 'custom_op'):
    pytest.skip('the ONNX export needs torch >= 2.5', allow_module_level=True)

# isort: split
from mmpose.registry import TRANSFORMS

from mmhand_dne.datasets.transforms.select_hand import mirror_source
from mmhand_dne.deployment.onnx_check import (
    NEAR,
    border_distance,
    example_crops,
    open_session,
    steady_crops,
)
from mmhand_dne.structures.raw_sample import empty_sample
from tests.fake_samples import fake_samples, one_hand_samples
from tests.onnx_models import CROPS, SIZE

pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
pytest.importorskip('onnxruntime', reason='the check needs the extra "onnx"')

RUNNER = Path(__file__).parents[2] / 'tools/deployment/run_onnx.py'


@pytest.fixture(scope='module')
def runner_module():
    from tools.deployment import run_onnx

    return run_onnx


def picture(seed=0, height=90, width=110):
    crops = example_crops(1, 128, seed)[0].numpy()
    return np.ascontiguousarray(crops[:height, :width])


def steady_picture(made, corners, **shape):
    """A picture whose crops at these corners have one reading, see steady_crops."""
    for seed in range(60):
        image = picture(seed, **shape)
        crops = np.stack([image[y : y + SIZE, x : x + SIZE] for x, y in corners])
        if (border_distance(made.network, torch.from_numpy(crops)) > NEAR).all():
            return image
    raise AssertionError('no such picture')


@pytest.mark.parametrize(
    'kind, samples, counts',
    [('pair', fake_samples, (1, 5)), ('one_hand', one_hand_samples, (2,))],
)
def test_the_file_gives_what_predict_gives(export, kind, samples, counts):
    made = export(kind)
    session = open_session(made.path)
    fields = dict(
        vertices='hand_vertices',
        joints='hand_joints',
        camera='hand_camera',
        presence='hand_presence',
        rotations='mano_rotations',
        betas='mano_betas',
        joint_covariance='hand_joint_covariance',
        joint_std='hand_joint_std',
    )
    fields.update(
        dict(root='hand_root')
        if kind == 'one_hand'
        else dict(coarse_vertices='coarse_vertices', coarse_camera='coarse_camera')
    )
    names = [output.name for output in session.get_outputs()]
    for count in counts:
        crops = steady_crops(made.network, count, SIZE, seed=count)
        found = dict(zip(names, session.run(None, {'crops': crops.numpy()})))
        bgr = [crop.permute(2, 0, 1).flip(0) for crop in crops]
        data = dict(inputs=bgr, data_samples=samples(count, SIZE))
        with torch.no_grad():
            wanted = made.model.test_step(data)
        for name, field in fields.items():
            value = np.concatenate([s.pred_instances[field] for s in wanted])
            value = value[:, : found[name].shape[1]]
            limit = 1e-4 * (1 if 'vertices' in name else np.abs(value).max())
            np.testing.assert_allclose(found[name], value, rtol=0, atol=limit)
    assert set(fields) < set(names)


def test_threads_do_not_race(export):
    made = export('pair')
    crops = example_crops(3, SIZE).numpy()
    (first,) = open_session(made.path, threads=1).run(['vertices'], {'crops': crops})
    session = open_session(made.path, threads=4)
    for _ in range(30):  # a scatter that raced differed in a third of the runs
        (found,) = session.run(['vertices'], {'crops': crops})
        np.testing.assert_allclose(found, first, rtol=0, atol=1e-6)


def test_the_file_says_what_it_holds(export):
    made = export('pair')
    session = open_session(made.path)
    stored = session.get_modelmeta().custom_metadata_map
    about = json.loads(stored['mmhand_dne'])
    assert about['slots'] == ['right', 'left'] and about['opset'] == 18
    assert about['joints'][:3] == ['wrist', 'thumb1', 'thumb2']
    assert about['crop'] == dict(type='MeshCrop', padding=1.25)
    assert 'CC0' in stored['licence'] and about['checkpoint'] == 'weights.pth'
    assert set(about['outputs']) == {x.name for x in session.get_outputs()}
    np.testing.assert_array_equal(
        about['faces']['left'], made.model.hand_model.faces[1].numpy()
    )
    import onnx

    graph = onnx.load(made.path).graph
    notes = {value.name: value.doc_string for value in graph.output}
    assert notes['joints'].startswith('(N, 2, 21, 3): ') and 'metres' in notes['joints']
    assert 'RGB' in graph.input[0].doc_string


def test_a_hand_of_mano_is_said_to_be_bound_by_its_licence(export):
    from mmhand_dne.deployment.description import hand_note

    layer = export('one_hand').model.hand_model.right
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, 'source', 'models/mano')
        assert "MANO's licence" in hand_note(export('one_hand').model)


# At these boxes the crops' pixels are the picture's: what is left is arithmetic.
@pytest.mark.parametrize(
    'kind, side', [('pair', None), ('one_hand', 'right'), ('one_hand', 'left')]
)
@pytest.mark.parametrize('camera', [None, [300.0, 310.0, 50.0, 40.0]])
def test_the_runner_agrees_with_the_inferencer(
    export, runner_module, kind, side, camera
):
    made = export(kind)
    image = steady_picture(made, [(0, 3), (20, 10)])
    reach = SIZE / CROPS[kind]['padding'] / 2
    middles = np.array([[0, 3], [20, 10]]) + (SIZE - 1) / 2
    boxes = np.concatenate([middles - reach, middles + reach], 1).tolist()
    runner = runner_module.HandRunner(made.path, threads=1)
    ours = runner(image, boxes, side and [side] * 2, camera)
    bgr = np.ascontiguousarray(image[..., ::-1])
    given = dict(bboxes=[[dict(box=b, side=side or 'both') for b in boxes]])
    theirs = next(
        made.inferencer.results(bgr, intrinsics=camera, presence_thr=0.0, **given)
    ).hands
    assert len(ours) == len(theirs) == (2 if side else 4)

    def key(hand):
        return hand.side, float(hand.box[0])

    for a, b in zip(sorted(ours, key=key), sorted(theirs, key=key)):
        assert (a.side, a.metric) == (b.side, b.metric)
        for name in ('vertices', 'joints', 'coarse_vertices'):
            if getattr(b, name) is None:
                assert getattr(a, name) is None
            else:
                np.testing.assert_allclose(
                    getattr(a, name), getattr(b, name), rtol=0, atol=1e-4
                )
        for name in (
            'joints_2d',
            'vertices_2d',
            'translation',
            'joint_covariance',
            'joint_covariance_full',
            'joint_std',
            'intrinsics',
            'box',
        ):
            value = getattr(b, name)
            np.testing.assert_allclose(
                getattr(a, name), value, rtol=0, atol=1e-4 * np.abs(value).max()
            )
        np.testing.assert_array_equal(a.faces, b.faces)


def test_a_whole_picture_is_one_box(export, runner_module):
    made = export('pair')
    image = steady_picture(made, [(0, 0)], height=SIZE, width=SIZE)
    ours = runner_module.HandRunner(made.path)(image)
    theirs = next(
        made.inferencer.results(
            np.ascontiguousarray(image[..., ::-1]), presence_thr=0.0
        )
    ).hands
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.vertices, b.vertices, rtol=0, atol=1e-4)
        np.testing.assert_allclose(a.joints_2d, b.joints_2d, rtol=0, atol=0.01)


@pytest.mark.parametrize('kind', ['pair', 'one_hand'])
@pytest.mark.parametrize('mirrored', [False, True])
def test_crops_are_those_of_the_test_pipeline(export, runner_module, kind, mirrored):
    runner = runner_module.HandRunner(export(kind).path)
    image, draw = picture(), np.random.default_rng(0)
    cut = TRANSFORMS.build(CROPS[kind])
    for _ in range(5):
        x, y = draw.uniform([-20, -20], [80, 60])
        w, h = draw.uniform(20, 100, 2)
        results = dict(
            empty_sample(778),
            img=image,
            img_path='',
            bbox=np.array([x, y, w, h]),
            intrinsics=np.eye(3),
            principal_pt=np.zeros(2),
            flip=mirrored,
        )
        if mirrored:
            mirror_source(results)
            results['bbox'][0] = image.shape[1] - 1 - x - w
        wanted = cut.transform(results)
        affine = runner.affine(
            np.array([x, y, x + w, y + h]), image.shape[1], mirrored, whole=False
        )
        np.testing.assert_allclose(affine, wanted['crop_affine'], rtol=0, atol=2e-4)
        crop = runner_module.warp(
            image[:, ::-1] if mirrored else image, affine, SIZE
        ).astype(int)
        difference = np.abs(crop - wanted['img'])
        if kind == 'pair':
            assert difference.max() == 0
        else:  # cut by OpenCV, whose versions differ from each other by as much
            assert difference.mean() < 0.2 and difference.max() <= 6


def test_a_fixed_batch_is_filled_up(export, runner_module):
    runner = runner_module.HandRunner(export('one_hand').path)
    assert runner.batch == 2
    boxes = [[0, 0, 50, 50], [10, 5, 60, 70], [30, 30, 80, 80]]
    together = runner(picture(), boxes, 'left')
    for box, hand in zip(boxes, together):
        alone = runner(picture(), [box], ['left'])[0]
        np.testing.assert_allclose(hand.vertices, alone.vertices, rtol=0, atol=1e-6)
    assert not np.allclose(together[0].vertices, together[2].vertices, atol=1e-4)


WITHOUT = """
import runpy, sys
class Blocked:
    def find_spec(self, name, *args):
        if name.split('.')[0] in ('torch', 'mmengine', 'mmcv', 'mmpose', 'mmhand_dne',
                                  'cv2', 'scipy', 'PIL', 'onnx'):
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Blocked())
runpy.run_path(sys.argv.pop(1), run_name='__main__')
"""


def test_the_runner_needs_numpy_and_onnxruntime_only(export, runner_module, tmp_path):
    made, image = export('one_hand'), picture()
    np.save(tmp_path / 'image.npy', image)
    box = ['10', '5', '60', '70']
    done = subprocess.run(
        [
            sys.executable,
            '-I',
            '-c',
            WITHOUT,
            RUNNER,
            made.path,
            'image.npy',
            '--box',
            *box,
            '--side',
            'left',
            '--K',
            '300',
            '300',
            '55',
            '45',
            '--out',
            'h.npz',
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('left  presence 1.00, wrist at ')
    with np.load(tmp_path / 'h.npz', allow_pickle=False) as stored:
        here = runner_module.HandRunner(made.path)(
            image, [[float(x) for x in box]], 'left', [300, 300, 55, 45]
        )[0]
        np.testing.assert_allclose(
            stored['vertices'], here.vertices[None], rtol=0, atol=1e-6
        )
        assert stored['joint_std'].shape == (1, 21) and stored['metric'].all()


def test_pictures_without_a_library(runner_module, tmp_path, monkeypatch):
    image = picture()
    header = b'P6\n%d %d\n255\n' % (image.shape[1], image.shape[0])
    (tmp_path / 'a.ppm').write_bytes(header + image.tobytes())
    np.testing.assert_array_equal(runner_module.read_image(tmp_path / 'a.ppm'), image)
    (tmp_path / 'a.png').write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'PIL', None)
    with pytest.raises(ValueError, match='pip install pillow'):
        runner_module.read_image(tmp_path / 'a.png')


@pytest.mark.parametrize(
    'change, sentence',
    [
        (dict(boxes=[[200, 200, 210, 210]]), 'no area inside'),
        (dict(boxes=[[5, 5, 5, 9]]), 'no area inside'),
        (dict(boxes=[1, 2, 3, 4]), 'shape'),
        (dict(sides=None), 'reads one hand'),
        (dict(intrinsics=[0, 0, 1, 1]), 'fx, fy > 0'),
        (dict(image=np.zeros((4, 4, 3))), 'expected uint8'),
    ],
)
def test_the_runner_refuses_in_one_sentence(export, runner_module, change, sentence):
    runner = runner_module.HandRunner(export('one_hand').path)
    request = dict(image=picture(), boxes=[[0, 0, 50, 50]], sides=['right'])
    with pytest.raises(ValueError, match=sentence):
        runner(**{**request, **change})


def test_the_runner_refuses_foreign_files(runner_module, tmp_path):
    from onnx import TensorProto, helper, save

    value = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1])
    node = helper.make_node('Identity', ['x'], ['y'])
    graph = helper.make_graph([node], 'g', [value], [out])
    save(
        helper.make_model(
            graph, ir_version=9, opset_imports=[helper.make_opsetid('', 18)]
        ),
        tmp_path / 'm.onnx',
    )
    with pytest.raises(ValueError, match='export it again'):
        runner_module.HandRunner(tmp_path / 'm.onnx')
    with pytest.raises(ValueError, match='no file'):
        runner_module.HandRunner(tmp_path / 'n.onnx')
