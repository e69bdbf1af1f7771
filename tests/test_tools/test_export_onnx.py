"""The export, its check, and the runner without PyTorch."""

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
from mmpose.registry import MODELS, TRANSFORMS

from mmhand_dne.apis.crops import unknown_gt
from mmhand_dne.datasets.transforms.select_hand import mirror_source
from mmhand_dne.deployment import Mismatch, check_onnx
from mmhand_dne.deployment.onnx_check import (
    NEAR,
    border_distance,
    example_crops,
    open_session,
    steady_crops,
)
from tests.fake_samples import fake_samples, one_hand_samples
from tests.onnx_models import CROPS, ONE_HAND, SIZE, export_with_the_tool
from tools.deployment import export_onnx as tool

pytest.importorskip('onnxscript', reason='the export needs the extra "onnx"')
pytest.importorskip('onnxruntime', reason='the check needs the extra "onnx"')

RUNNER = Path(tool.__file__).with_name('run_onnx.py')


@pytest.fixture(scope='module')
def export(tmp_path_factory):
    """kind -> the exported file and what it was made of, made when first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = export_with_the_tool(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get


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
            unknown_gt(778),
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
        mirror = image.shape[1] - 1 if mirrored else None
        affine = runner.affine(np.array([x, y, x + w, y + h]), mirror, whole=False)
        np.testing.assert_allclose(affine, wanted['crop_affine'], rtol=0, atol=2e-4)
        view = runner_module.View(affine, SIZE, np.eye(3), mirror)
        crop = view.crop(image).astype(int)
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


def test_a_file_that_computes_something_else_gets_no_name(
    export, tmp_path, monkeypatch, capsys
):
    made = export('one_hand')
    folder = made.path.parent
    model = MODELS.build(ONE_HAND)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'other.pth')
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            str(folder / 'config.py'),
            str(tmp_path / 'other.pth'),
            str(tmp_path / 'm.onnx'),
            '--batch',
            '2',
        ],
    )
    # The exporter "forgets" the weights: the file is that of another checkpoint.
    monkeypatch.setattr(
        tool,
        'export_onnx',
        lambda network, path, *_: path.write_bytes(made.path.read_bytes()),
    )
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if 'differs by' in line] == lines[-1:]
    assert [path.name for path in tmp_path.iterdir()] == ['other.pth']


def test_crops_near_a_border_are_told(export):
    network = export('pair').network
    distance = border_distance(network, example_crops(20, SIZE))
    assert distance.min() < 1e-4 and distance.max() > NEAR
    crops = steady_crops(network, 3, SIZE, seed=5)
    assert len(crops) == 3 and (border_distance(network, crops) > NEAR).all()
    assert border_distance(export('one_hand').network, crops).isinf().all()


def test_the_check_sees_a_tenth_of_a_millimetre(export):
    made = export('one_hand')
    network = made.network
    assert check_onnx(network, made.path, 2, SIZE)['vertices'].error < 1e-5
    template = made.model.hand_model.right.layer.v_template
    with torch.no_grad():
        template[100, 0] += 3e-4
        try:
            with pytest.raises(Mismatch, match='vertices differs'):
                check_onnx(network, made.path, 2, SIZE)
        finally:
            template[100, 0] -= 3e-4


@pytest.mark.parametrize(
    'out, sentence', [('m.bin', 'end in .onnx'), ('nowhere/m.onnx', 'no folder')]
)
def test_the_tool_refuses_in_one_sentence(
    export, tmp_path, monkeypatch, capsys, out, sentence
):
    folder = export('one_hand').path.parent
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            str(folder / 'config.py'),
            str(folder / 'weights.pth'),
            str(tmp_path / out),
        ],
    )
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_benchmark_runs_both_side_by_side(export, monkeypatch, tmp_path, capsys):
    from tools.benchmarks import onnx_speed

    folder = export('pair').path.parent
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            *(str(folder / name) for name in ('config.py', 'weights.pth', 'm.onnx')),
            '--batch',
            '1',
            '2',
            '--repeats',
            '2',
            '--out',
            str(tmp_path / 'o.json'),
        ],
    )
    onnx_speed.main()
    report = json.loads((tmp_path / 'o.json').read_text())
    assert 0 < report['largest'] < 0.01 and report['crops'] == 8
    assert all(row['ratio'] > 0 for row in report['speed'].values())
    assert '| 2 | ' in capsys.readouterr().out


@pytest.mark.large
@pytest.mark.parametrize(
    'config, options',
    [
        ('dne_rendered', ['model.test_cfg.flip_test=True']),
        ('dne_rendered', []),
        ('hamer-full_small_rendered-128x128', []),
        ('hamer-diagonal_small_rendered-128x128', []),
        ('hamer-deterministic_small_rendered-128x128', []),
    ],
)
def test_our_own_configs_can_be_exported(tmp_path, monkeypatch, config, options):
    from mmhand_dne.apis.config_names import config_of

    model = MODELS.build(config_of(config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'w.pth')
    monkeypatch.setattr(
        sys,
        'argv',
        [
            '',
            config,
            str(tmp_path / 'w.pth'),
            str(tmp_path / 'm.onnx'),
            *(['--cfg-options', *options] if options else []),
        ],
    )
    tool.main()
    assert (tmp_path / 'm.onnx').stat().st_size > 1e6
