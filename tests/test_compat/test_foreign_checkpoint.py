import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch

from mmhand_dne.compat import foreign_checkpoint
from mmhand_dne.compat.foreign_checkpoint import InertRecord, load_foreign
from tests.oracles.lightning_files import write_lightning, write_lightning_of_yacs


class Code:
    """Runs code where a plain unpickler reads it."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.fixture
def state():
    return OrderedDict(weight=torch.arange(6.0).reshape(2, 3), mask=torch.tensor(True))


def test_lightning_checkpoint_loads_without_its_programs(tmp_path, state):
    path = tmp_path / 'model.ckpt'
    write_lightning(path, state)
    with pytest.raises(pickle.UnpicklingError):  # why this module exists
        torch.load(path, weights_only=True)
    content = load_foreign(str(path))
    assert content['global_step'] == 550000
    torch.testing.assert_close(content['state_dict'], state)
    record = content['hyper_parameters']['cfg']
    assert type(record) is InertRecord and not vars(record)


def test_settings_of_yacs_are_a_plain_table(tmp_path, state):
    path = tmp_path / 'model.ckpt'
    write_lightning_of_yacs(path, state)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    content = load_foreign(str(path))
    torch.testing.assert_close(content['state_dict'], state)
    table = content['hyper_parameters']['cfg']
    assert type(table) is type(table['MODEL']) is OrderedDict
    assert table['MODEL']['IMAGE_SIZE'] == 256


def test_code_among_the_settings_of_yacs_is_refused_and_never_run(tmp_path, state):
    trace, path = tmp_path / 'trace', tmp_path / 'bad.ckpt'
    write_lightning_of_yacs(path, state, Code(os.system, f'touch {trace}'))
    with pytest.raises(ValueError, match=r'bad\.ckpt: .* wants to run posix.system'):
        load_foreign(str(path))
    assert not trace.exists()


def test_permission_ends_with_the_file(tmp_path, state):
    path = tmp_path / 'model.ckpt'
    write_lightning(path, state)
    load_foreign(str(path))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('name', ['posix.system', 'builtins.eval', 'omegaconfx.Any'])
def test_code_is_refused_by_name_and_never_run(tmp_path, state, name, protocol):
    trace, path = tmp_path / 'trace', tmp_path / 'bad.ckpt'
    code = {
        'posix.system': Code(os.system, f'touch {trace}'),
        'builtins.eval': Code(eval, f'open({str(trace)!r}, "w")'),
    }.get(name, 0)
    torch.save(dict(state_dict=state, code=code), path, pickle_protocol=protocol)
    if not code:  # a name that only looks like one of the settings
        rename_pickle(path, b'collections\nOrderedDict', b'omegaconfx\nAny', protocol)
    with pytest.raises(ValueError, match=rf'bad\.ckpt: .* wants to run .*{name}'):
        load_foreign(str(path))
    assert not trace.exists()


def rename_pickle(path, old, new, protocol):
    """Rewrite the pickle inside a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if protocol == 4:
        old, new = b'\x8c\x0bcollections', b'\x8c\x0aomegaconfx'
        swap = (b'\x8c\x0bOrderedDict', b'\x8c\x03Any')
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in parts.items():
            if name.endswith('data.pkl'):
                assert old in data
                data = data.replace(old, new)
                data = data.replace(*swap) if protocol == 4 else data
            archive.writestr(name, data)


def test_name_that_is_hidden_from_the_list_is_still_not_run(tmp_path, monkeypatch):
    """The list of names is a courtesy; the reader itself refuses."""
    trace, path = tmp_path / 'trace', tmp_path / 'bad.ckpt'
    torch.save(dict(code=Code(os.system, f'touch {trace}')), path)
    monkeypatch.setattr(foreign_checkpoint, '_names_in', lambda _: ['omegaconf.A'])
    with pytest.raises(ValueError, match=r'bad\.ckpt: unreadable checkpoint \(Unpick'):
        load_foreign(str(path))
    assert not trace.exists()


def test_settings_cannot_be_used_to_reach_code(tmp_path):
    """Calling, building and filling a record does nothing."""
    path = tmp_path / 'odd.ckpt'
    torch.save(dict(code=0), path)
    data = b'\x80\x02comegaconf.a\nb\n(X\x02\x00\x00\x00idtR}X\x01\x00\x00\x00xK\x01sb.'
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in parts.items():
            archive.writestr(name, data if name.endswith('data.pkl') else content)
    record = load_foreign(str(path))
    assert type(record) is InertRecord and not vars(record)


@pytest.mark.parametrize('kind', ['cut', 'text', 'flipped', 'empty zip', 'old format'])
def test_damaged_file_is_refused_by_name(tmp_path, state, kind):
    path = tmp_path / 'bad.ckpt'
    torch.save(
        dict(state_dict=state),
        path,
        _use_new_zipfile_serialization=kind != 'old format',
    )
    data = bytearray(path.read_bytes())
    if kind == 'cut':
        del data[len(data) // 2 :]
    elif kind == 'text':
        data = b'not found'
    elif kind == 'flipped':
        data[data.index(torch.arange(6.0).numpy().tobytes()) + 5] ^= 1
    path.write_bytes(data)
    if kind == 'empty zip':
        zipfile.ZipFile(path, 'w').close()
    with pytest.raises(ValueError, match=r'bad\.ckpt: (unreadable|is no checkpoint)'):
        load_foreign(str(path))
