from collections import OrderedDict
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmhand_dne.compat.plain_checkpoint import make_plain


def content():
    """One of each kind that a run keeps, without the tensors of a model."""
    losses = HistoryBuffer(max_length=5)
    for value in (3.0, 2.0, 0.5):
        losses.update(value, 2)
    return dict(
        meta=dict(
            epoch=3,
            dataset_meta=dict(
                sigmas=np.array([0.5, 0.25], dtype=np.float32),
                swapped=np.arange(3, dtype='>i4'),
                names=np.array(['wrist', 'tip']),
                empty=np.zeros((0, 2)),
                pairs=[(np.int64(4), 'a'), (5, 'b')],
                lower={1, 2},
            ),
        ),
        state_dict=OrderedDict(weight=torch.ones(2)),
        message_hub=dict(
            log_scalars=OrderedDict({'train/loss': losses}),
            runtime_info=OrderedDict(eta=np.float64(1.5), epoch=3),
        ),
    )


@pytest.fixture
def written(tmp_path):
    checkpoint = content()
    make_plain(checkpoint)
    torch.save(checkpoint, tmp_path / 'plain.pth')
    return tmp_path / 'plain.pth'


def test_plain_torch_reads_what_it_refuses_as_mmengine_writes_it(tmp_path, written):
    torch.save(content(), tmp_path / 'mmengine.pth')
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(UnpicklingError, match='Weights only load failed'):
            torch.load(tmp_path / 'mmengine.pth', weights_only=True)
        assert torch.load(written, weights_only=True)['meta']['epoch'] == 3
    finally:
        torch.serialization.add_safe_globals(allowed)


def test_a_reader_without_us_sees_tensors_and_numbers(written):
    found = torch.load(written, weights_only=True)
    sigmas = found['meta']['dataset_meta']['sigmas']
    assert torch.equal(sigmas, torch.tensor([0.5, 0.25]))
    assert found['meta']['dataset_meta']['names'] == ['wrist', 'tip']
    assert type(found['message_hub']['runtime_info']['eta']) is float
    losses = found['message_hub']['log_scalars']['train/loss']
    assert losses['log'].tolist() == [3.0, 2.0, 0.5]


def test_the_loader_gives_back_the_objects(written):
    found = CheckpointLoader.load_checkpoint(str(written), 'cpu', logger='silent')
    assert set(found) == set(content())
    expected = content()['meta']['dataset_meta']
    meta = found['meta']['dataset_meta']
    for name in ('sigmas', 'swapped', 'names', 'empty'):
        np.testing.assert_array_equal(meta[name], expected[name])
        assert meta[name].dtype == expected[name].dtype.newbyteorder('=')
    assert meta['pairs'] == expected['pairs'] and meta['lower'] == {1, 2}
    assert type(meta['pairs'][0]) is tuple and type(meta['pairs'][0][0]) is np.int64
    hub = found['message_hub']
    assert type(hub['runtime_info']) is OrderedDict
    assert type(hub['runtime_info']['eta']) is np.float64
    losses = hub['log_scalars']['train/loss']
    assert losses.max_length == 5 and losses.mean() == pytest.approx(
        5.5 / 6
    )  # counts of 2
    losses.update(1.0)  # as a resumed run does
    assert losses.data[0].tolist() == [3.0, 2.0, 0.5, 1.0]


def test_what_the_run_still_uses_is_left_alone():
    checkpoint, run = content(), content()
    run_meta = checkpoint['meta']['dataset_meta']
    weights = checkpoint['state_dict']
    make_plain(checkpoint)
    assert checkpoint['state_dict'] is weights
    assert type(run_meta['sigmas']) is np.ndarray
    assert run_meta['pairs'] == run['meta']['dataset_meta']['pairs']


def test_a_checkpoint_without_such_objects_has_no_record():
    checkpoint = dict(state_dict=dict(weight=torch.ones(1)), meta=dict(epoch=1))
    make_plain(checkpoint)
    assert set(checkpoint) == {'state_dict', 'meta'}


@pytest.mark.parametrize(
    'types', [dict(meta=dict(absent='scalar <f8')), dict(meta='array |O'), dict(x='y')]
)
def test_a_record_of_something_else_is_refused_in_a_sentence(tmp_path, types):
    torch.save(dict(meta=dict(epoch=1), plain_types=types), tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=r'odd\.pth: unreadable checkpoint'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'odd.pth'), logger='silent')
