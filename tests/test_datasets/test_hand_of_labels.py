"""Labels, hand and checkpoint belong together, or it is said before the first batch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmhand_dne.datasets.datasets import InterHandMeshDataset
from mmhand_dne.engine.hooks.checkpoint_match_hook import CheckpointMatchHook
from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import HandPair, SingleHand, hand_fingerprint, load_cc0_hand
from tests.interhand_fixture import write_interhand

FILES = {
    key: f'annotations/train/InterHand2.6M_train_{kind}.json'
    for key, kind in dict(
        ann_file='data',
        camera_file='camera',
        joint_file='joint_3d',
        mano_file='MANO_NeuralAnnot',
    ).items()
}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_interhand(tmp_path_factory.mktemp('labels'), 9, image=False)


@pytest.fixture(scope='module')
def larger(tmp_path_factory):
    """File of a hand two fifths larger than the embedded one."""
    arrays = dict(load_cc0_hand('right'))
    for key in ('v_template', 'shapedirs'):
        arrays[key] = 1.4 * arrays[key]
    path = tmp_path_factory.mktemp('hand') / 'larger.npz'
    np.savez(path, **arrays)
    return str(path)


def data_set(root, source, **options):
    hand = dict(type='HandPair', source=source)
    options = {**FILES, **options}
    return InterHandMeshDataset(data_root=str(root), hand_model=hand, **options)


def test_labels_of_another_hand_are_refused_before_any_is_used(root, larger):
    assert len(data_set(root, 'cc0')) == 9
    with pytest.raises(UserError) as caught:
        data_set(root, larger)
    assert 'its labels are not of the hand' in str(caught.value)
    assert '--cfg-options hand_model.source=FOLDER' in str(caught.value)


def test_the_embedded_hand_does_not_pass_for_one_that_is_a_little_other(root, tmp_path):
    """Between MANO and the embedded hand lie some millimetres, not centimetres."""
    arrays = dict(load_cc0_hand('right'))
    for key in ('v_template', 'shapedirs'):
        arrays[key] = 1.12 * arrays[key]
    np.savez(tmp_path / 'near.npz', **arrays)
    near = data_set(root, str(tmp_path / 'near.npz'))
    near.hand_source = 'cc0'
    with pytest.raises(UserError, match='expected less than 5'):
        near._check_hand_of_labels()


def test_another_hand_on_purpose_is_one_switch(root, larger):
    assert len(data_set(root, larger, allow_other_hand=True)) == 9
    assert len(data_set(root, larger, mano_file=None)) == 9  # no labels of a hand


def test_a_hand_has_one_fingerprint_whatever_reads_it(larger):
    one = hand_fingerprint(HandPair())
    assert one == hand_fingerprint(SingleHand(tips='smplx', joints='kinematic'))
    assert one != hand_fingerprint(HandPair(source=larger))


def runner_of(source):
    model = torch.nn.Module()
    model.hand_model = HandPair(source=source)
    loader = SimpleNamespace(dataset=SimpleNamespace())
    return SimpleNamespace(
        model=model, train_dataloader=loader, _load_from='x.pth', _resume=False
    )


def test_a_checkpoint_of_another_hand_is_refused(larger):
    checkpoint = dict(meta={}, state_dict={})
    CheckpointMatchHook().before_save_checkpoint(runner_of('cc0'), checkpoint)
    CheckpointMatchHook().after_load_checkpoint(runner_of('cc0'), checkpoint)
    with pytest.raises(UserError, match='x.pth was trained with another hand than'):
        CheckpointMatchHook().after_load_checkpoint(runner_of(larger), checkpoint)
    hook = CheckpointMatchHook(allow_other_hand=True)
    hook.after_load_checkpoint(runner_of(larger), checkpoint)
    older = dict(meta={}, state_dict={})  # says nothing of its hand
    CheckpointMatchHook().after_load_checkpoint(runner_of(larger), older)
