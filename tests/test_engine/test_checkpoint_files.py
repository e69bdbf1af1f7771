import os
import pickle

import pytest
import torch

from mmhand_dne.engine.runner.checkpoint_files import (
    AtomicLocalBackend,
    check_checkpoint,
    find_resumable,
    what_is_wrong,
)
from mmhand_dne.fileio import atomic


def save(path, value=1.0):
    torch.save(dict(state_dict=dict(weight=torch.full((64,), value))), path)
    return str(path)


def age(path, seconds):
    os.utime(path, (seconds, seconds))


class Executes:
    def __reduce__(self):
        return os.system, ('echo never > /dev/null',)


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    AtomicLocalBackend().put(b'old', path)

    def power_cut(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, 'fsync', power_cut)
    with pytest.raises(KeyboardInterrupt):
        AtomicLocalBackend().put(b'new', path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_a_whole_checkpoint_has_nothing_wrong(tmp_path):
    assert what_is_wrong(save(tmp_path / 'a.pth')) is None


def test_a_checkpoint_in_the_old_format_has_nothing_wrong(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(dict(weight=torch.ones(3)), path, _use_new_zipfile_serialization=False)
    assert what_is_wrong(str(path)) is None


@pytest.mark.parametrize('kept', [0, 1, 100, -1])
def test_a_cut_checkpoint_is_noticed(tmp_path, kept):
    path = tmp_path / 'a.pth'
    save(path)
    path.write_bytes(path.read_bytes()[:kept])
    assert what_is_wrong(str(path)) is not None


def test_a_flipped_bit_in_a_weight_is_noticed(tmp_path):
    path = tmp_path / 'a.pth'
    save(path, 1.5)
    data = bytearray(path.read_bytes())
    place = data.find(torch.full((64,), 1.5).numpy().tobytes())
    assert place > 0
    data[place + 5] ^= 1
    path.write_bytes(bytes(data))
    assert 'damaged' in what_is_wrong(str(path))


def test_code_in_a_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=Executes()), path)
    with pytest.raises(ValueError, match=r'wants to run \w+\.system'):
        check_checkpoint(str(path))
    path.write_bytes(pickle.dumps(Executes()))
    with pytest.raises(ValueError, match='cannot load the checkpoint'):
        check_checkpoint(str(path))


def test_an_absent_checkpoint_is_said_to_be_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file; check the path'):
        check_checkpoint(str(tmp_path / 'b.pth'))


def test_the_recorded_checkpoint_is_resumed_without_a_remark(tmp_path):
    save(tmp_path / 'epoch_2.pth')
    last = save(tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(last)
    assert find_resumable(str(tmp_path)) == (last, None)


def test_a_damaged_last_checkpoint_is_passed_over_with_a_remark(tmp_path):
    older, old = save(tmp_path / 'epoch_1.pth'), save(tmp_path / 'iter_7.pth')
    age(older, 10), age(old, 20)
    save(tmp_path / 'best_MPVPE_All_epoch_1.pth')  # holds no optimiser
    (tmp_path / 'epoch_2.pth').write_bytes(b'PK half')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    path, remark = find_resumable(str(tmp_path))
    assert path == old
    assert 'epoch_2.pth: it is cut off' in remark and old in remark


def test_no_whole_checkpoint_at_all_is_an_error(tmp_path):
    (tmp_path / 'epoch_2.pth').write_bytes(b'PK half')
    with pytest.raises(ValueError, match='no other whole checkpoint'):
        find_resumable(str(tmp_path))


def test_a_moved_work_folder_is_resumed(tmp_path):
    save(tmp_path / 'epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text('/gone/epoch_2.pth')
    assert find_resumable(str(tmp_path)) == (str(tmp_path / 'epoch_2.pth'), None)


def test_an_empty_folder_has_nothing_to_resume(tmp_path):
    assert find_resumable(str(tmp_path)) == (None, None)
    assert find_resumable(str(tmp_path / 'absent')) == (None, None)
