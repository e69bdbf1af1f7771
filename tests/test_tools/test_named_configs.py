"""Training and testing take a config of ours by its name."""

import pytest


@pytest.mark.parametrize('name', ['dne_rendered', 'mmhand_dne::dne_rendered'])
@pytest.mark.parametrize('words', [['train.py'], ['test.py', 'none.pth']])
def test_a_config_of_ours_goes_by_name(tool, tmp_path, monkeypatch, name, words):
    """In a folder without configs; the wrong key shows that the config was read."""
    monkeypatch.chdir(tmp_path)
    script, *others = words
    command = (script, name, *others)
    status, _, error = tool(*command, '--cfg-options', 'optim_wraper.x=1')
    assert status == 2 and 'did you mean optim_wrapper?' in error
    status, _, error = tool(script, 'dne_rendere', *others)
    assert status == 2 and 'did you mean dne_rendered?' in error
