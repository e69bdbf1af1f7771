"""From MediaPipe's networks, renderings and photos to the shipped file."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.apis.shipped_model import read_parts
from mmhand_dne.geometry.hand_rois import HandRoi
from mmhand_dne.models.detectors import HandLandmarker, PalmDetector
from mmhand_dne.structures.hand_landmarks import LandmarkedHand

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def networks(tmp_path_factory):
    """A converted file, with random weights that read nothing."""
    torch.manual_seed(0)
    parts = dict(palm_detector=PalmDetector(), hand_landmarker=HandLandmarker())
    content = {name: part.half().state_dict() for name, part in parts.items()}
    flat = {f'{n}.{k}': v for n, state in content.items() for k, v in state.items()}
    path = tmp_path_factory.mktemp('networks') / 'mediapipe_hands.pth'
    torch.save(dict(meta={}, state_dict=flat, **content), path)
    return path


def trained(path, **tensors):
    meta = dict(epoch=3, seed=1, trained_on=[dict(name='made up', rendered=True)])
    torch.save(dict(meta=meta, state_dict=tensors), path)
    return path


def test_the_published_file_holds_model_and_detector_in_float16(
    tool, networks, tmp_path
):
    checkpoint = trained(
        tmp_path / 'epoch_3.pth', **{'module.fc.weight': torch.rand(2, 3)}
    )
    out = tmp_path / 'out/dne_real.pth'
    status, said, _ = tool(
        'model_converters/publish_real.py', checkpoint, networks, out
    )
    assert status == 0 and 'MB' in said
    content = torch.load(out, weights_only=True)
    assert content['meta']['epoch'] == 3 and 'Apache-2.0' in content['meta']['licence']
    assert content['meta']['trained_on'] == [dict(name='made up', rendered=True)]
    assert content['state_dict']['fc.weight'].dtype == torch.float16
    landmarker = HandLandmarker()
    landmarker.load_state_dict(content['hand_landmarker'])


def test_what_model_and_detector_share_is_in_the_file_once(tool, networks, tmp_path):
    shared = read_parts(networks)['hand_landmarker']
    name, value = max(shared.items(), key=lambda item: item[1].numel())
    sizes = []
    for number, tensor in enumerate((value.float(), value.float() + 1)):
        out = tmp_path / f'{number}.pth'
        checkpoint = trained(tmp_path / f'epoch_{number}.pth', copy=tensor)
        status, _, _ = tool(
            'model_converters/publish_real.py', checkpoint, networks, out
        )
        content = torch.load(out, weights_only=True)
        torch.testing.assert_close(content['state_dict']['copy'], tensor.half())
        assert torch.equal(content['hand_landmarker'][name], value.half())
        sizes.append(out.stat().st_size)
    assert status == 0 and sizes[1] - sizes[0] > 1.9 * value.numel()


def test_a_weight_beyond_float16_is_refused(tool, networks, tmp_path):
    checkpoint = trained(tmp_path / 'epoch_3.pth', fc=torch.tensor([1e6]))
    out = tmp_path / 'dne_real.pth'
    status, _, said = tool(
        'model_converters/publish_real.py', checkpoint, networks, out
    )
    assert status and 'fc does not fit into float16' in said
    assert not out.exists()


def test_a_file_larger_than_the_package_may_hold_is_refused(tool, networks, tmp_path):
    checkpoint = trained(tmp_path / 'epoch_3.pth', fc=torch.zeros(8_000_000))
    out = tmp_path / 'dne_real.pth'
    status, _, said = tool(
        'model_converters/publish_real.py', checkpoint, networks, out
    )
    assert status and 'more than 20' in said
    assert not out.exists()


def test_every_photo_gets_its_landmarks(tool, networks, tmp_path):
    photos = tmp_path / 'photos'
    (photos / 'more').mkdir(parents=True)
    for name in ('a.png', 'more/b.png'):
        cv2.imwrite(str(photos / name), np.full((40, 50, 3), 90, np.uint8))
    out = tmp_path / 'landmarks.json'
    status, said, _ = tool(
        'dataset_converters/label_photos.py', photos, networks, out, '--angles', 1
    )
    assert status == 0 and '2 photos' in said
    hands = json.loads(out.read_text())['hands']
    assert [hand['file'] for hand in hands] == ['a.png', 'more/b.png']
    assert hands[0]['size'] == [50, 40] and np.shape(hands[0]['points']) == (21, 2)
    assert np.shape(hands[0]['spread']) == (21,) and min(hands[0]['spread']) >= 0


class Steady:
    """A landmark network that finds one hand, mirrored in the mirrored image."""

    def __init__(self, width, wander=0.0):
        self.points = np.random.default_rng(0).uniform(10, 90, (21, 2))
        self.width, self.wander = width, wander

    def read(self, squares):
        hands = []
        for image, roi in squares:
            points, right = self.points.copy(), 1.0
            points[0] += self.wander * roi.angle
            if image[0, 0, 0] == 0:  # the image's left edge is white
                points[:, 0], right = self.width - 1 - points[:, 0], 0.0
            hands.append(
                LandmarkedHand(roi, points, None, None, 0.9 - abs(roi.angle), right)
            )
        return hands


def test_labels_are_the_mean_of_turned_and_mirrored_readings():
    path = ROOT / 'tools/dataset_converters/label_photos.py'
    spec = importlib.util.spec_from_file_location('label_photos', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    image = np.zeros((100, 120, 3), np.uint8)
    image[:, :60] = 255
    square = HandRoi(np.array([50.0, 50.0]), 80.0, 0.0)
    read = tool.several_readings(Steady(120), image, square)
    assert len(read) == 6 and all(hand.right == 1 for hand in read)
    for hand in read:
        np.testing.assert_allclose(hand.points, Steady(120).points)
    wandering = tool.several_readings(Steady(120, wander=9), image, square)
    points = np.stack([hand.points for hand in wandering])
    assert points[:, 0].std(0).min() > 1 and points[:, 1:].std(0).max() < 1e-9


def test_a_folder_without_photos_is_refused(tool, networks, tmp_path):
    status, _, said = tool(
        'dataset_converters/label_photos.py', tmp_path, networks, tmp_path / 'x.json'
    )
    assert status and 'holds no photo' in said


def test_other_weights_are_refused_for_labels(tool, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((9, 9, 3), np.uint8))
    weights = trained(tmp_path / 'epoch_1.pth', fc=torch.zeros(1))
    status, _, said = tool(
        'dataset_converters/label_photos.py', tmp_path, weights, tmp_path / 'x.json'
    )
    assert status and 'convert_mediapipe.py' in said


def some_photos(folder, data):
    """Photos, and what label_photos.py would write about them with real networks."""
    folder.mkdir()
    draw, hands = np.random.default_rng(0), []
    for number in range(6):
        image = draw.integers(0, 256, (100, 100, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), image)
        points = draw.uniform(20, 80, (21, 2))
        entry = dict(file=f'{number}.png', size=[100, 100], side='right', presence=1.0)
        hands.append(dict(entry, points=points.tolist(), spread=[0.0] * 21))
    (data / 'photo_landmarks.json').write_text(json.dumps(dict(hands=hands)))
    return folder


@pytest.mark.large
@pytest.mark.parametrize('with_photos', [False, True])
def test_one_command_makes_the_shipped_file(networks, tmp_path, with_photos):
    """All steps on sixty images; the second run finds everything done."""
    data, work = tmp_path / 'data', tmp_path / 'work'
    data.mkdir()
    (data / 'mediapipe_hands.pth').write_bytes(networks.read_bytes())
    command = ['bash', ROOT / 'tools/train_real.sh', '--data', data, '--work-dir', work]
    if with_photos:
        command += ['--photos', some_photos(tmp_path / 'photos', data)]
    command += ['--images', 60, '--cfg-options']
    command += ['train_dataloader.dataset.epoch_length=32']
    command += ['default_hooks.logger.interval=1']
    venv = Path(sys.prefix)
    environment = {**os.environ, 'MMHAND_VENV': str(venv)}
    subprocess.run(list(map(str, command)), env=environment, check=True)
    first = (work / 'dne_real.pth').stat().st_mtime
    content = torch.load(work / 'dne_real.pth', weights_only=True)
    assert set(content) == {'meta', 'state_dict', 'palm_detector', 'hand_landmarker'}
    logged = ''.join(path.read_text() for path in work.glob('*/vis_data/scalars.json'))
    assert ('"view.loss_joints"' in logged) == with_photos and '"loss_nll"' in logged
    subprocess.run(list(map(str, command)), env=environment, check=True)
    assert (work / 'dne_real.pth').stat().st_mtime >= first


def test_weights_that_are_not_there_are_refused_before_anything_is_made(tmp_path):
    command = ['bash', ROOT / 'tools/train_real.sh', '--start', tmp_path / 'none.pth']
    command += ['--data', tmp_path / 'data', '--work-dir', tmp_path / 'work']
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f'--start: there is no file {tmp_path / "none.pth"}\n'
    assert not list(tmp_path.iterdir())


@pytest.mark.large
def test_weights_that_there_are_can_be_trained_on(networks, tmp_path):
    """What the command makes is what its next run may start with."""
    data, start, on = (tmp_path / name for name in ('data', 'start', 'on'))
    data.mkdir()
    (data / 'mediapipe_hands.pth').write_bytes(networks.read_bytes())
    begin = ['bash', ROOT / 'tools/train_real.sh', '--data', data, '--images', 60]
    end = ['--cfg-options', 'train_dataloader.dataset.epoch_length=32']
    environment = {**os.environ, 'MMHAND_VENV': sys.prefix}
    for work, more in ((start, []), (on, ['--start', start / 'dne_real.pth'])):
        command = [*begin, '--work-dir', work, *more, *end]
        done = subprocess.run(
            list(map(str, command)), env=environment, check=True, capture_output=True
        )
    assert f'Load checkpoint from {start / "dne_real.pth"}' in done.stdout.decode()
    contents = [
        torch.load(folder / 'dne_real.pth', weights_only=True) for folder in (start, on)
    ]
    assert [content['meta']['epoch'] for content in contents] == [9, 3]
    before, after = (content['state_dict'] for content in contents)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    parts = {name.split('.')[0] for name in changed}
    assert {'backbone', 'mano_head', 'neck', 'refine_head'} <= parts
    assert not [name for name in changed if name.startswith('backbone.untrained')]
