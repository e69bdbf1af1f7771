"""What is published holds weights and nothing of the machine that trained them."""

import hashlib

import torch


def test_weights_go_out_alone_under_their_hash(tool, tmp_path):
    weights = dict(a=torch.arange(3.0))
    meta = dict(epoch=3, iter=9, hand_fingerprint='f', cfg='/home/me', seed=1)
    torch.save(dict(meta=meta, state_dict=weights, optimizer={}), tmp_path / 'in.pth')
    source, out = tmp_path / 'in.pth', tmp_path / 'out/dne.pth'
    status, printed, _ = tool('misc/publish_model.py', source, out)
    (path,) = (tmp_path / 'out').iterdir()
    assert status == 0 and printed.strip().endswith(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert path.name == f'dne-{digest}.pth'
    found = torch.load(path, weights_only=True)
    assert found.keys() == {'meta', 'state_dict'}
    assert found['meta'].pop('mmhand_dne_version')
    assert found['meta'] == dict(epoch=3, iter=9, hand_fingerprint='f')
    assert torch.equal(found['state_dict']['a'], weights['a'])


def test_a_file_without_weights_is_refused(tool, tmp_path):
    torch.save(dict(meta={}), tmp_path / 'in.pth')
    status, _, error = tool(
        'misc/publish_model.py', tmp_path / 'in.pth', tmp_path / 'x'
    )
    assert status == 2 and 'holds no state_dict' in error


def test_the_checkpoint_is_read_once(tool, tmp_path, monkeypatch):
    torch.save(dict(meta={}, state_dict={}), tmp_path / 'in.pth')
    read, seen = torch.load, []
    monkeypatch.setattr(
        torch, 'load', lambda *args, **kw: seen.append(args) or read(*args, **kw)
    )
    status, *_ = tool('misc/publish_model.py', tmp_path / 'in.pth', tmp_path / 'x.pth')
    assert status == 0 and len(seen) == 1


def test_an_address_is_refused(tool, tmp_path):
    status, _, error = tool(
        'misc/publish_model.py', 'https://a.b/c.pth', tmp_path / 'x'
    )
    assert status == 2 and 'download the file' in error
