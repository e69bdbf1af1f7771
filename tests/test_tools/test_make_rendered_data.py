"""The rendered set: InterHand2.6M's files, consistent with each other, reproducible."""

import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, reorder
from mmhand_dne.datasets.synthetic import HandModels, Recipe
from mmhand_dne.datasets.synthetic.camera_rig import make_rig
from mmhand_dne.datasets.synthetic.hand_body import (
    build_body,
    closed_faces,
    sample_light,
)
from mmhand_dne.datasets.synthetic.scene import FLEXION, GAP, sample_moment
from mmhand_dne.geometry.rotation import matrix_from_axis_angle

ROOT = Path(__file__).parents[2]
SMALL = ['--image-size', '96', '64', '--cameras', '2', '--moments', '3']
SET = ['--train', '13', '--test', '4', '--seed', '5']


@pytest.fixture(scope='module')
def tool():
    """The command's module; run in this process, since importing torch takes long."""
    path = ROOT / 'tools' / 'make_rendered_data.py'
    spec = importlib.util.spec_from_file_location('make_rendered_data', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # workers look their functions up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def make(tool, out, *arguments, workers=1):
    tool.main([str(out), *SMALL, *arguments, '--workers', str(workers)])


def contents(folder):
    """Every file's bytes; files of work in progress would show up too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def children(pid):
    text = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    return [int(child) for child in text.split()]


def is_running(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')')[-1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope='module')
def made(tool, tmp_path_factory):
    """A small set of two splits; 13 images end in a moment seen by one camera."""
    folder = tmp_path_factory.mktemp('rendered') / 'set'
    make(tool, folder, *SET)
    return folder


def read(folder, split, kind):
    name = f'InterHand2.6M_{split}_{kind}.json'
    return json.loads((folder / 'annotations' / split / name).read_text())


def entries(folder, split):
    """(image, annotation, camera, joint_3d, MANO) of every image of a split."""
    data = read(folder, split, 'data')
    cameras, joints, mano = (
        read(folder, split, kind) for kind in ('camera', 'joint_3d', 'MANO_NeuralAnnot')
    )
    for image, annotation in zip(data['images'], data['annotations']):
        assert annotation['image_id'] == image['id']
        capture, frame = str(image['capture']), str(image['frame_idx'])
        camera = {
            key: np.array(values[image['camera']])
            for key, values in cameras[capture].items()
        }
        yield image, annotation, camera, joints[capture][frame], mano[capture][frame]


def test_images_lie_where_the_annotations_say(made):
    for split, count in (('train', 13), ('test', 4)):
        found = set((made / 'images' / split).rglob('*.jpg'))
        named = set()
        for image, *_ in entries(made, split):
            path = made / 'images' / split / image['file_name']
            assert image['file_name'] == (
                f'Capture{image["capture"]}/{image["seq_name"]}/cam{image["camera"]}/'
                f'image{image["frame_idx"]}.jpg'
            )
            assert cv2.imread(str(path)).shape == (image['height'], image['width'], 3)
            named.add(path)
        assert named == found and len(named) == count


def test_every_official_field_has_its_official_type(made):
    for image, annotation, camera, joint, mano in entries(made, 'train'):
        for key in ('id', 'width', 'height', 'capture', 'subject', 'frame_idx'):
            assert type(image[key]) is int
        for key in ('file_name', 'seq_name', 'camera'):
            assert type(image[key]) is str
        assert type(annotation['id']) is int and len(annotation['bbox']) == 4
        assert np.shape(annotation['joint_valid']) == (42, 1)
        assert {type(one[0]) for one in annotation['joint_valid']} == {int}
        assert annotation['hand_type'] in ('right', 'left', 'interacting')
        assert annotation['hand_type_valid'] == 1
        shapes = dict(campos=(3,), camrot=(3, 3), focal=(2,), princpt=(2,))
        assert {key: value.shape for key, value in camera.items()} == shapes
        assert np.shape(joint['world_coord']) == (42, 3)
        assert np.shape(joint['joint_valid']) == (42, 1)
        assert {type(one[0]) for one in joint['joint_valid']} == {bool}
        assert joint['hand_type'] == annotation['hand_type']
        assert set(mano) == {'right', 'left'}
        for hand in filter(None, mano.values()):
            sizes = {key: len(value) for key, value in hand.items()}
            assert sizes == dict(pose=48, shape=10, trans=3)


def test_a_hand_that_is_absent_has_placeholders_and_null(made):
    kinds = set()
    for split in ('train', 'test'):
        for _, annotation, _, joint, mano in entries(made, split):
            kinds.add(annotation['hand_type'])
            for slot, side in enumerate(('right', 'left')):
                rows = slice(21 * slot, 21 * slot + 21)
                there = annotation['hand_type'] in (side, 'interacting')
                assert (mano[side] is not None) == there
                assert np.all(joint['joint_valid'][rows]) == there
                if not there:
                    assert (np.array(joint['world_coord'][rows]) == 1).all()
                    assert not np.any(annotation['joint_valid'][rows])
    assert 'interacting' in kinds and len(kinds) > 1


def test_the_box_is_the_tight_box_of_valid_projected_joints_times_1_2(made):
    for image, annotation, camera, joint, _ in entries(made, 'train'):
        cam = (np.array(joint['world_coord']) - camera['campos']) @ camera['camrot'].T
        pixels = cam[:, :2] / cam[:, 2:] * camera['focal'] + camera['princpt']
        limit = np.array([image['width'], image['height']]) - 1
        inside = ((pixels >= 0) & (pixels <= limit)).all(1)
        there = np.array(joint['joint_valid'])[:, 0]
        valid = np.array(annotation['joint_valid'])[:, 0] == 1
        assert (valid == (there & inside)).all() and valid.sum() >= 10
        low, high = pixels[valid].min(0), pixels[valid].max(0)
        corner, extent = np.split(np.array(annotation['bbox']), 2)
        np.testing.assert_allclose(extent, 1.2 * (high - low), atol=1e-6)
        np.testing.assert_allclose(corner + extent / 2, (low + high) / 2, atol=1e-6)
        assert cam[there, 2].min() > 200  # millimetres in front of the camera


def test_cameras_are_rigid_and_differ_within_a_rig(made):
    for capture in read(made, 'train', 'camera').values():
        assert len(capture['campos']) == 2
        positions = np.array(list(capture['campos'].values()))
        assert np.linalg.norm(positions[0] - positions[1]) > 10
        for rotation in map(np.array, capture['camrot'].values()):
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(rotation) > 0


def test_mano_parameters_give_the_annotated_joints(made):
    models, order = HandModels(), reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
    for _, _, _, joint, mano in entries(made, 'train'):
        for slot, side in enumerate(('right', 'left')):
            if mano[side] is None:
                continue
            hand = {key: torch.tensor(value) for key, value in mano[side].items()}
            layer = models.layers[side]
            pose = layer.absolute_pose(hand['pose'][None], mean=True)
            vertices = layer(pose, hand['shape'][None], hand['trans'][None])
            joints = layer.joints(vertices, tips='interhand')[0, order] * 1000
            wanted = np.array(joint['world_coord'])[21 * slot : 21 * slot + 21]
            np.testing.assert_allclose(joints.numpy(), wanted, atol=0.01)  # mm


def test_the_hand_is_drawn_where_its_joints_are():
    """Nothing but a bright hand on black: it covers the joints and little else."""
    from mmhand_dne.datasets.synthetic.render import compose, draw_body

    recipe, models = Recipe(interacting_share=0), HandModels()
    place = ('test', 0, 1)
    hands = sample_moment(recipe, models, *place)
    light = sample_light(recipe.generator('light', *place))
    body = build_body(recipe, models, hands, light, *place)
    camera = make_rig(recipe, 'test', 0)[0]
    black = np.zeros((camera.size[1], camera.size[0], 3), np.float32)
    lit = compose(black, draw_body(body, camera, light)).max(-1) > 0.02
    points = hands[0].vertices.numpy() * 1000.0
    pixels = camera.to_pixels(camera.to_camera(points))
    column, row = pixels.round().astype(int).T
    inner = (column > 0) & (column < camera.size[0] - 1) & (row > 0)
    inner &= row < camera.size[1] - 1
    near = cv2.dilate(lit.astype(np.uint8), np.ones((3, 3)))
    assert near[row[inner], column[inner]].mean() > 0.99
    hand = np.zeros(lit.shape, np.uint8)
    hull = cv2.convexHull(pixels.astype(np.float32)).round().astype(np.int32)
    cv2.fillConvexPoly(hand, hull, 1)
    assert lit[hand == 1].mean() > 0.3


def test_hands_with_forearms_are_closed_surfaces_wound_outward():
    recipe, models = Recipe(interacting_share=0), HandModels()
    for moment in range(4):
        place = ('train', 0, moment)
        hands = sample_moment(recipe, models, *place)
        light = sample_light(recipe.generator('light', *place))
        body = build_body(recipe, models, hands, light, *place)
        mesh = trimesh.Trimesh(body.vertices.numpy(), body.faces.numpy(), process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 1e-4
        assert len(body.faces) == len(closed_faces(models, hands[0].side))
        assert 0 <= body.light.min() and body.light.max() <= 1 + 1e-5
        assert body.light[:, 1].std() > 0.02  # folds are darker than the open skin


def test_two_hands_nearly_touch_and_fingers_bend_naturally():
    recipe, models = Recipe(interacting_share=1), HandModels()
    axes = models.extras['right']['flex_axes']
    for capture in range(6):
        right, left = sample_moment(recipe, models, 'train', capture, 0)
        gap = torch.cdist(right.vertices, left.vertices).min()
        # Hands that pass each other sideways may end further apart.
        assert GAP[0] - 1e-4 < gap < 0.1
        mean = models.layers['right'].hands_mean.numpy()
        bend = ((right.pose[3:] + mean).reshape(15, 3) * axes).sum(1)
        assert (bend > FLEXION[0] - 1e-5).all() and (bend < FLEXION[1] + 1e-5).all()


def test_captures_and_splits_show_different_people_poses_and_cameras():
    recipe, models = Recipe(), HandModels()
    one, two, other = (
        sample_moment(recipe, models, *place)[0]
        for place in (('train', 0, 0), ('train', 1, 0), ('test', 0, 0))
    )
    assert np.abs(one.shape - two.shape).max() > 0.1
    assert np.abs(one.shape - other.shape).max() > 0.1
    assert np.abs(one.pose - other.pose).max() > 0.1
    rigs = [make_rig(recipe, split, 0)[0] for split in ('train', 'test')]
    assert np.abs(rigs[0].position - rigs[1].position).max() > 10


def test_max_turn_limits_how_far_hands_leave_the_upright_attitude():
    from mmhand_dne.conventions import MIRROR_AXIS_ANGLES, UPRIGHT_HAND

    recipe = Recipe(max_turn=20, interacting_share=0)
    models, angles = HandModels(), []
    for capture in range(12):
        (hand,) = sample_moment(recipe, models, 'train', capture, 0)
        turn = hand.pose[:3] * (MIRROR_AXIS_ANGLES if hand.side == 'left' else 1)
        back = matrix_from_axis_angle(torch.tensor(turn)).numpy() @ UPRIGHT_HAND.T
        angles.append(np.degrees(np.arccos((np.trace(back) - 1) / 2)))
    assert 5 < max(angles) <= np.hypot(20, 20) + 1e-3


def test_two_workers_write_what_one_wrote_and_another_run_changes_nothing(
    made, tool, tmp_path
):
    again = tmp_path / 'again'
    make(tool, again, *SET, workers=2)
    first = contents(made)
    assert contents(again) == first
    stamps = {path: path.stat().st_mtime_ns for path in again.rglob('*.jpg')}
    make(tool, again, *SET)
    assert contents(again) == first
    assert stamps == {path: path.stat().st_mtime_ns for path in again.rglob('*.jpg')}


@pytest.mark.parametrize('workers', [1, 2])
def test_a_killed_run_continues_to_the_same_bytes(made, tool, tmp_path, workers):
    out = tmp_path / 'killed'
    process = multiprocessing.get_context('fork').Process(
        target=make, args=(tool, out, *SET), kwargs=dict(workers=workers)
    )
    process.start()
    deadline = time.time() + 120
    while len(list(out.rglob('*.json'))) < 3 and time.time() < deadline:
        time.sleep(0.005)
    pids = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (out / 'annotations' / 'test').exists()
    while any(map(is_running, pids)):  # they end when their parent is gone
        assert time.time() < deadline + 60
        time.sleep(0.02)
    half = next((out / 'images').rglob('*.jpg'))
    half = half.with_name(f'.image1.jpg.{process.pid}.partial')
    half.write_bytes(b'as a worker that was killed while it wrote leaves it')
    done = {
        path: path.stat().st_mtime_ns
        for record in out.rglob('.rendering/*/*.json')
        for view in json.loads(record.read_text())['views']
        for path in [out / 'images' / record.parent.name / view['image']['file_name']]
    }
    make(tool, out, *SET)
    assert contents(out) == contents(made)
    assert done == {path: path.stat().st_mtime_ns for path in done} != {}


def test_another_recipe_in_the_same_folder_is_refused(made, tool, capsys):
    with pytest.raises(SystemExit):
        make(tool, made, '--train', '13', '--test', '4', '--seed', '6')
    assert 'was begun with seed 5, now 6' in capsys.readouterr().err


def test_a_folder_of_a_version_with_fewer_settings_continues(made, tool, tmp_path):
    out = tmp_path / 'older'
    shutil.copytree(made, out)
    recipe = json.loads((out / 'recipe.json').read_text())
    del recipe['held_share'], recipe['hand_share']
    (out / 'recipe.json').write_text(json.dumps(recipe))
    make(tool, out, *SET)
    with pytest.raises(SystemExit):
        make(tool, out, *SET, '--held-share', '0.5')


def test_a_folder_with_other_files_is_refused(tool, tmp_path, capsys):
    (tmp_path / 'thesis.txt').write_text('do not touch')
    with pytest.raises(SystemExit):
        make(tool, tmp_path, '--train', '2')
    assert 'holds other files' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_a_command_without_images_says_what_to_give(tool, tmp_path, capsys):
    with pytest.raises(SystemExit):
        make(tool, tmp_path / 'none')
    assert '--train 2000 --test 400' in capsys.readouterr().err


@pytest.mark.parametrize(
    'setting',
    [
        dict(cameras=0),
        dict(occlusion_share=1.5),
        dict(image_size=(512, 20)),
        dict(max_turn=-1.0),
        dict(camera_spread=89.0),
    ],
)
def test_impossible_settings_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Recipe(**setting)


def test_tags_say_what_makes_an_image_hard_and_change_no_other_image(tool, tmp_path):
    one = ['--train', '6', '--seed', '5', '--held-share', '1', '--interacting-share']
    make(tool, tmp_path / 'plain', *one, '0', '--occlusion-share', '0.5')
    flags = ['--occlusion-share', '0.5', '--blur-share', '0.5', '--tagged']
    make(tool, tmp_path / 'tagged', *one, '0', *flags)
    found = {
        name: json.loads(
            (tmp_path / name / 'annotations/train/InterHand2.6M_train_data.json')
            .read_bytes()
        )
        for name in ('plain', 'tagged')
    }  # fmt: skip
    assert not any('hard' in entry for entry in found['plain']['annotations'])
    tags = [set(entry['hard']) for entry in found['tagged']['annotations']]
    assert all('held' in tag for tag in tags)
    assert {'occluded' in tag for tag in tags} == {True, False}
    blurred = ['blurred' in tag for tag in tags]
    assert set(blurred) == {True, False}
    for image, is_blurred in zip(found['tagged']['images'], blurred):
        before, after = (
            (tmp_path / name / 'images/train' / image['file_name']).read_bytes()
            for name in ('plain', 'tagged')
        )
        assert (before == after) != is_blurred
        if is_blurred:
            before, after = (
                cv2.imdecode(np.frombuffer(b, np.uint8), 0) for b in (before, after)
            )
            sharp, soft = (cv2.Laplacian(i, cv2.CV_64F).std() for i in (before, after))
            assert soft < 0.7 * sharp
