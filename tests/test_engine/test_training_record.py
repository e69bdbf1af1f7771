"""A checkpoint names what its weights have learned from."""

from types import SimpleNamespace

import pytest
import torch
from toy_parts import ToyLines, train_toy

from mmhand_dne.engine.runner.training_record import caution_about, training_sets
from mmhand_dne.rendered_recipe import RECIPE_FILE

RENDERED = [dict(name='toy', rendered=True)]
REAL = [dict(name='toy', rendered=False)]


@pytest.fixture
def rendered(tmp_path):
    folder = tmp_path / 'data'
    folder.mkdir()
    (folder / RECIPE_FILE).write_text('{}')
    return str(folder)


def record(path):
    return torch.load(path, weights_only=True)['meta']['trained_on']


def test_rendered_pictures_are_known_by_their_recipe(tmp_path, rendered, monkeypatch):
    train_toy(tmp_path / 'real', train_cfg__max_epochs=1)
    assert record(tmp_path / 'real/epoch_1.pth') == REAL
    monkeypatch.setattr(ToyLines, 'data_root', rendered, raising=False)
    train_toy(tmp_path / 'a', train_cfg__max_epochs=1)
    assert record(tmp_path / 'a/epoch_1.pth') == RENDERED
    train_toy(tmp_path / 'a', train_cfg__max_epochs=2, resume=True)
    assert record(tmp_path / 'a/epoch_2.pth') == RENDERED
    # What the weights had seen before counts too.
    start = str(tmp_path / 'real/epoch_1.pth')
    train_toy(tmp_path / 'b', train_cfg__max_epochs=1, load_from=start)
    assert record(tmp_path / 'b/epoch_1.pth') == REAL + RENDERED


def test_weights_that_do_not_say_stay_unknown(tmp_path, rendered, monkeypatch):
    train_toy(tmp_path / 'old', train_cfg__max_epochs=1)
    old = torch.load(tmp_path / 'old/epoch_1.pth', weights_only=True)
    del old['meta']['trained_on']
    torch.save(old, tmp_path / 'old.pth')
    monkeypatch.setattr(ToyLines, 'data_root', rendered, raising=False)
    start = str(tmp_path / 'old.pth')
    train_toy(tmp_path / 'a', train_cfg__max_epochs=1, load_from=start)
    found = torch.load(tmp_path / 'a/epoch_1.pth', weights_only=True)
    assert found['meta']['trained_on'] == [
        dict(name='unknown', rendered=False),
        *RENDERED,
    ]
    assert caution_about(found, 'a') == caution_about(old, 'old') == ''


def test_mixtures_and_wrappers_name_each_set(rendered):
    def leaf(name, root):
        return SimpleNamespace(metainfo=dict(dataset_name=name), data_root=root)

    mixture = SimpleNamespace(
        datasets=[
            SimpleNamespace(dataset=leaf('interhand26m', rendered), metainfo={}),
            leaf('landmarked_photos', '/nowhere'),
            leaf('interhand26m', rendered),
        ]
    )
    found = training_sets(mixture)
    assert found == [
        dict(name='interhand26m', rendered=True),
        dict(name='landmarked_photos', rendered=False),
    ]
    assert caution_about(dict(meta=dict(trained_on=found)), 'mixed') == ''
    alone = dict(meta=dict(trained_on=found[:1]))
    assert 'a.pth was trained on rendered images only' in caution_about(alone, 'a.pth')
