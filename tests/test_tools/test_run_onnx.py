"""The runner without PyTorch: what the inferencer gives, from a file of ONNX."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmpose.registry import TRANSFORMS

from mmhand_dne.datasets.transforms.select_hand import mirror_source
from mmhand_dne.deployment.onnx_check import NEAR, border_distance, example_crops
from mmhand_dne.fileio.images import read_image
from mmhand_dne.structures.raw_sample import empty_sample
from tests.onnx_models import CROPS, SIZE

pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
pytest.importorskip('onnxruntime', reason='the check needs the extra "onnx"')

RUNNER = Path(__file__).parents[2] / 'tools/deployment/run_onnx.py'


@pytest.fixture(scope='module')
def runner_module():
    from tools.deployment import run_onnx

    return run_onnx


def random_image(seed=0, height=90, width=110):
    crops = example_crops(1, 128, seed)[0].numpy()
    return np.ascontiguousarray(crops[:height, :width])


def shape_of(kind):
    """Width and height of its crops."""
    return np.broadcast_to(CROPS[kind]['input_size'], 2)


def steady_image(made, corners, size=(SIZE, SIZE), **shape):
    """An image whose crops at these corners have one reading, see steady_crops."""
    for seed in range(60):
        image = random_image(seed, **shape)
        crops = np.stack([image[y : y + size[1], x : x + size[0]] for x, y in corners])
        if (border_distance(made.network, torch.from_numpy(crops)) > NEAR).all():
            return image
    raise AssertionError('no such image')


# At these boxes the crops' pixels are the image's: what is left is arithmetic.
@pytest.mark.parametrize(
    'kind, side',
    [
        ('pair', None),
        ('one_hand', 'right'),
        ('one_hand', 'left'),
        ('official', 'right'),
        ('official', 'left'),
        ('pair_tall', None),
        ('official_tall', 'right'),
        ('official_tall', 'left'),
    ],
)
@pytest.mark.parametrize('camera', [None, [300.0, 310.0, 50.0, 40.0]])
def test_the_runner_agrees_with_the_inferencer(
    export, runner_module, kind, side, camera
):
    made = export(kind)
    size = np.array(shape_of(kind))
    image = steady_image(made, [(0, 3), (20, 10)], size)
    reach = size / CROPS[kind]['padding'] / 2
    middles = np.array([[0, 3], [20, 10]]) + (size - 1) / 2
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


def test_a_whole_image_is_one_box(export, runner_module):
    made = export('pair')
    image = steady_image(made, [(0, 0)], height=SIZE, width=SIZE)
    ours = runner_module.HandRunner(made.path)(image)
    theirs = next(
        made.inferencer.results(
            np.ascontiguousarray(image[..., ::-1]), presence_thr=0.0
        )
    ).hands
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.vertices, b.vertices, rtol=0, atol=1e-4)
        np.testing.assert_allclose(a.joints_2d, b.joints_2d, rtol=0, atol=0.01)


@pytest.mark.parametrize('kind', ['pair', 'one_hand', 'pair_tall', 'official_tall'])
@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('turned', [False, True])
def test_crops_are_those_of_the_test_pipeline(
    export, runner_module, kind, mirrored, turned
):
    runner = runner_module.HandRunner(export(kind).path)
    image, draw = random_image(), np.random.default_rng(0)
    cut = TRANSFORMS.build(CROPS[kind])
    for _ in range(5):
        x, y = draw.uniform([-20, -20], [80, 60])
        w, h = draw.uniform(20, 100, 2)
        angle = draw.uniform(-3, 3) if turned else 0.0
        results = dict(
            empty_sample(778),
            img=image,
            img_path='',
            bbox=np.array([[x, y, x + w, y + h]]),
            intrinsics=np.eye(3),
            principal_pt=np.zeros(2),
            flip=mirrored,
            box_angle=np.degrees(angle),
        )
        if mirrored:
            mirror_source(results)
            results['bbox'][0, ::2] = image.shape[1] - 1 - np.array([x + w, x])
        wanted = cut.transform(results)
        mirror = image.shape[1] - 1 if mirrored else None
        place = runner_module.Place(np.array([x, y, x + w, y + h]), None, angle)
        affine = runner.affine(place, mirror)
        np.testing.assert_allclose(affine, wanted['crop_affine'], rtol=0, atol=2e-4)
        exact = 'pair' in kind
        size = shape_of(kind)
        crop = runner_module.Picture(image).cut(affine, size, mirrored, exact)
        difference = np.abs(crop.astype(int) - wanted['img'])
        if exact:
            assert difference.max() == 0
        else:  # cut by OpenCV, whose versions differ from each other by as much
            assert difference.mean() < 0.2 and difference.max() <= 6


def test_a_fixed_batch_is_filled_up(export, runner_module):
    runner = runner_module.HandRunner(export('one_hand').path)
    assert runner.batch == 2
    boxes = [[0, 0, 50, 50], [10, 5, 60, 70], [30, 30, 80, 80]]
    together = runner(random_image(), boxes, 'left')
    for box, hand in zip(boxes, together):
        alone = runner(random_image(), [box], ['left'])[0]
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
    made, image = export('one_hand'), random_image()
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


def test_images_without_a_library(runner_module, tmp_path, monkeypatch):
    image = random_image()
    header = b'P6\n%d %d\n255\n' % (image.shape[1], image.shape[0])
    (tmp_path / 'a.ppm').write_bytes(header + image.tobytes())
    np.testing.assert_array_equal(runner_module.read_image(tmp_path / 'a.ppm'), image)
    (tmp_path / 'a.png').write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'PIL', None)
    with pytest.raises(ValueError, match='pip install pillow'):
        runner_module.read_image(tmp_path / 'a.png')


def test_images_are_read_as_the_inferencer_reads_them(runner_module, tmp_path):
    draw, path = np.random.default_rng(0), tmp_path / 'a.png'
    deep = draw.integers(0, 65536, (9, 12), np.uint16)
    clear = draw.integers(0, 256, (9, 12, 4), np.uint8)
    clear[:4, ..., 3], clear[4:, ..., 3] = 0, 255
    grey = draw.integers(0, 256, (9, 12), np.uint8)
    for image in (deep, clear, clear[..., :3], grey):
        cv2.imwrite(str(path), image)
        expected = read_image(path)[..., ::-1]
        np.testing.assert_array_equal(runner_module.read_image(path), expected)
    path.write_text('no image')
    with pytest.raises(ValueError, match='is not an image that Pillow reads'):
        runner_module.read_image(path)


def test_the_command_says_what_is_wrong_in_a_sentence(
    runner_module, tmp_path, monkeypatch
):
    (tmp_path / 'm.onnx').write_bytes(b'no model')
    for more, sentence in (
        ([], r'm\.onnx: onnxruntime cannot open it \(.+\); give a whole file'),
        (['--out', str(tmp_path / 'no/hands.npz')], 'there is no folder .*no; make'),
    ):
        command = ['run_onnx.py', str(tmp_path / 'm.onnx'), 'a.png', *more]
        monkeypatch.setattr(sys, 'argv', command)
        with pytest.raises(SystemExit, match=sentence):
            runner_module.main()


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
    request = dict(image=random_image(), boxes=[[0, 0, 50, 50]], sides=['right'])
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
