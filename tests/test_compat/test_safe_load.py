import os
import pickle
import zipfile
from threading import Thread

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

import mmhand_dne  # noqa: F401
from mmhand_dne.compat.safe_load import obeying, read_statistic, weights_only

METAINFO = dict(
    sigmas=np.array([0.5, 0.25], dtype=np.float32),
    ids=np.arange(3),
    empty=np.zeros((0, 2)),
    names=np.array(['wrist']),
    nothing=np.array([], dtype=np.float32),
    lower={1, 2},
)


class Samples(torch.utils.data.Dataset):
    metainfo = METAINFO

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.full((2,), float(index)))


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.line(torch.stack(inputs)).square().mean())


def run(work_dir, epochs, resume):
    runner = Runner(
        model=Line(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Samples(),
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_size=2,
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=2),
            dict(type='MultiStepLR', milestones=[2, 3]),
        ],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        default_scope='mmengine',
        resume=resume,
        experiment_name=f'{work_dir.name}_{epochs}',
        log_level='ERROR',
    )
    runner.train()
    return runner


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A checkpoint as MMEngine's runner writes it, after one epoch of two steps."""
    work_dir = tmp_path_factory.mktemp('runner')
    run(work_dir, epochs=1, resume=False)
    return work_dir / 'epoch_1.pth'


def read_pickle(path):
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith('data.pkl'))
        return archive.read(name)


class Code:
    """Runs code where a plain unpickler reads it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_real_checkpoint_holds_the_types_that_need_permission(checkpoint):
    pickled = read_pickle(checkpoint)
    assert b'HistoryBuffer' in pickled and b'multiarray' in pickled


def test_a_real_checkpoint_loads_with_its_values(checkpoint):
    loaded = load_checkpoint(Line(), str(checkpoint))
    np.testing.assert_array_equal(loaded['meta']['dataset_meta']['ids'], [0, 1, 2])
    assert loaded['meta']['dataset_meta']['lower'] == {1, 2}
    losses = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(losses, HistoryBuffer) and losses.mean() > 0


def test_a_real_checkpoint_resumes(checkpoint):
    runner = run(checkpoint.parent, epochs=2, resume=True)
    assert runner.epoch == 2 and runner.iter == 4
    losses = runner.message_hub.get_scalar('train/loss')
    assert len(losses.data[0]) == 4  # two of them read from the checkpoint


@pytest.mark.parametrize('new_format', [True, False])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, new_format):
    bad, trace = tmp_path / 'bad.pth', tmp_path / 'trace'
    content = dict(state_dict=dict(weight=torch.zeros(1)), code=Code(trace))
    torch.save(content, bad, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r'wants to run _?io\.open') as caught:
        load_checkpoint(Line(), str(bad))
    assert str(bad) in str(caught.value) and '\n' not in str(caught.value)
    assert not trace.exists()


def test_the_environment_cannot_allow_code(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    bad, trace = tmp_path / 'bad.pth', tmp_path / 'trace'
    torch.save(dict(code=Code(trace)), bad)
    with pytest.raises(ValueError, match='wants to run'):
        CheckpointLoader.load_checkpoint(str(bad))
    assert not trace.exists()
    assert os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] == '1'
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_other_threads_load_as_they_please_meanwhile():
    seen = []
    load = obeying(lambda name, **options: seen.append((name, options)))
    with weights_only():
        load('mine')
        thread = Thread(target=load, args=('theirs',))
        thread.start()
        thread.join()
    load('later')
    assert seen == [('mine', dict(weights_only=True)), ('theirs', {}), ('later', {})]


def test_threads_that_load_leave_the_environment_alone(checkpoint):
    before, failed = dict(os.environ), []

    def load_often():
        try:
            for _ in range(20):
                CheckpointLoader.load_checkpoint(str(checkpoint), logger='silent')
                failed.extend({*os.environ} - {*before})
        except Exception as error:
            failed.append(error)

    threads = [Thread(target=load_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and dict(os.environ) == before


def test_getattr_reads_statistics_only():
    assert read_statistic(HistoryBuffer, 'mean') is HistoryBuffer.mean
    for owner, name in ((HistoryBuffer, '__init__'), (os, 'system')):
        with pytest.raises(pickle.UnpicklingError):
            read_statistic(owner, name)


@pytest.mark.parametrize('content', [b'hello', b'', 'truncated'])
def test_an_unreadable_file_is_named(tmp_path, checkpoint, content):
    if content == 'truncated':
        content = checkpoint.read_bytes()[:2000]
    path = tmp_path / 'broken.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'broken\.pth: unreadable checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))
