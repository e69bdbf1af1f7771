"""The guide's examples run as they are printed, and its names exist."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, reorder
from mmhand_dne.randomness.pipeline import SampleKey
from tests.interhand_fixture import dataset_config
from tests.right_hand_fixture import draw, make_hand, to_pixels
from tests.test_datasets.right_hand_laws import (
    AUGMENTED,
    check_other_slot,
    check_pixels,
)

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / 'configs/_base_/datasets'
INTRINSICS = np.array([[600.0, 0, 318], [0, 605, 242], [0, 0, 1]])
SIZE = (640, 480)


def examples(page):
    return re.findall(r'```python\n(.*?)```', (GUIDE / page).read_text(), re.DOTALL)


@pytest.fixture
def hand(tmp_path):
    """A hand and its picture, images/train/a.jpg."""
    rng = np.random.default_rng(0)
    made = make_hand(rng, 'interhand')
    made['K'], made['pixels'] = INTRINSICS, to_pixels(made['joints'], INTRINSICS)
    draw(tmp_path / 'images/train/a.jpg', SIZE, made['pixels'], rng)
    return made


def test_the_class_of_the_guide_gives_samples(hand, tmp_path):
    with DATASETS.switch_scope_and_registry('mmpose'):
        exec(examples('your_own.md')[0], {'__name__': 'my_hands'})
    np.savez(
        tmp_path / 'train.npz',
        joints=hand['joints'][None],
        joints_valid=np.ones((1, 21), bool),
        vertices=hand['vertices'][None],
        intrinsics=INTRINSICS[None],
        names=np.array(['a.jpg']),
    )
    try:
        dataset = DATASETS.build(
            dict(
                type='MyHandDataset',
                data_root=str(tmp_path),
                ann_file='train.npz',
                data_prefix=dict(img='images/train'),
                pipeline=AUGMENTED,
                hand_model=dict(type='HandPair', source='cc0', tips='interhand'),
            )
        )
    finally:
        DATASETS.module_dict.pop('MyHandDataset')
    assert len(dataset) == 1 and dataset.count_all_joints().tolist() == [[21, 0]]
    for epoch in range(3):
        sample = dataset[SampleKey(0, 0, epoch)]['data_samples']
        check_pixels(sample, hand)
        check_other_slot(sample)


def test_the_layout_of_the_guide_gives_samples(hand, tmp_path):
    names = {}
    exec(examples('your_own.md')[2], names)
    joints, valid = np.ones((42, 3)), np.zeros(42, int)
    joints[:21] = 1000 * hand['joints'][reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)]
    valid[:21] = 1
    low, high = hand['pixels'].min(0), hand['pixels'].max(0)
    box = [*(1.1 * low - 0.1 * high), *(1.2 * (high - low))]
    mano = dict(
        right=dict(
            pose=hand['pose'].tolist(),
            shape=hand['betas'].tolist(),
            trans=hand['trans'].tolist(),
        ),
        left=None,
    )
    names['write_split'](
        tmp_path,
        'train',
        joints.tolist(),
        valid.tolist(),
        INTRINSICS.tolist(),
        box,
        'a.jpg',
        mano,
    )
    dataset = DATASETS.build(
        dict(
            type='InterHandMeshDataset', **dataset_config(tmp_path, pipeline=AUGMENTED)
        )
    )
    for epoch in range(3):
        check_pixels(dataset[SampleKey(0, 0, epoch)]['data_samples'], hand)


def test_the_config_of_the_guide_is_one(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(examples('your_own.md')[1].replace("'my_hands'", "'json'"))
    dataset = Config.fromfile(str(path)).train_dataloader.dataset
    assert dataset.type == 'MyHandDataset' and dataset.hand_model.source == 'cc0'
    assert [step.type for step in dataset.pipeline][-1] == 'PackHandInputs'


def test_every_file_that_the_guide_names_is_there():
    linked = set(re.findall(r'\]\((\w+\.md)\)', (GUIDE / 'README.md').read_text()))
    assert linked >= {'interhand26m.md', 'freihand.md', 'ho3d.md', 'rendered.md'}
    for page in sorted(GUIDE.glob('*.md')):
        text = page.read_text()
        for name in re.findall(r'tools/[\w/]+\.py', text.replace('NAME', 'ho3d')):
            assert (ROOT / name).is_file(), name
        for name in re.findall(r'\]\((\w+\.md)\)|`(\w+_mesh\.py)`', text):
            assert (GUIDE / (name[0] or name[1])).is_file(), name


def test_a_white_spot_lies_at_each_joint(hand, tmp_path):
    """What the other tests compare targets with is what the picture shows."""
    picture = cv2.imread(str(tmp_path / 'images/train/a.jpg'))
    x, y = np.rint(hand['pixels']).astype(int).T
    assert (picture[y, x].min(-1) > 150).all()
