"""One hand for a run, however its config is read and its runner is made."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.engine.runner.shared_hand import share_hand_model
from mmhand_dne.errors import UserError

ROOT = Path(__file__).parents[2]
RENDERED = str(ROOT / 'configs/dne_rendered.py')
CONFIGS = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts and 'hand_model' in Config.fromfile(path)
)


class Recorder(Runner):
    """Keeps what a runner would build from."""

    def __init__(self, **parts):
        self.parts = parts


def hands_of(node):
    """Every ``hand_model`` in a part of a config."""
    if isinstance(node, (list, tuple)):
        return [hand for item in node for hand in hands_of(item)]
    if not isinstance(node, dict):
        return []
    own = [node['hand_model']] if node.get('hand_model') else []
    return own + [h for key in node if key != 'hand_model' for h in hands_of(node[key])]


def hands_built(cfg):
    cfg.work_dir = 'unused'
    parts = Recorder.from_cfg(cfg).parts
    names = ('model', 'train_dataloader', 'test_dataloader', 'test_evaluator')
    return [hand for name in names for hand in hands_of(parts[name])]


@pytest.mark.parametrize('path', CONFIGS)
def test_an_override_reaches_every_part_by_every_way(path):
    path = str(ROOT / 'configs' / path)
    plain = Config.fromfile(path)
    plain.hand_model.source = 'FOLDER'
    ours = read_config(path, {'hand_model.source': 'FOLDER'})
    found = hands_built(plain)
    assert len(found) >= 2
    assert found == hands_built(ours) == [ours.hand_model] * len(found)


@pytest.mark.parametrize(
    'part',
    [
        'model = dict(hand_model=hand)',
        'train_dataloader = dict(dataset=dict(hand_model=hand))',
        'val_evaluator = dict(hand_model=hand)',
    ],
)
def test_a_child_that_gives_a_part_its_own_hand_is_refused(tmp_path, part):
    path = tmp_path / 'child.py'
    path.write_text(f"_base_ = [{RENDERED!r}]\nhand = dict(source='/no/such')\n{part}")
    for build in (read_config, lambda p: Recorder.from_cfg(Config.fromfile(p))):
        with pytest.raises(UserError, match="source is '/no/such' and hand_model.sou"):
            build(str(path))


def test_a_model_of_another_kind_of_hand_is_refused(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text(
        f'_base_ = [{RENDERED!r}]\n'
        "model = dict(hand_model=dict(_delete_=True, type='SingleHand'))"
    )
    with pytest.raises(UserError, match="type is 'SingleHand' and hand_model.type"):
        read_config(str(path))


@pytest.mark.parametrize(
    'key',
    [
        'model.hand_model.source',
        'model.hand_model.tips',
        'test_dataloader.dataset.hand_model.source',
    ],
)
def test_an_option_for_one_part_is_refused(key):
    with pytest.raises(UserError, match='set hand_model.* at the top of the config'):
        read_config(RENDERED, {key: 'other'})


def test_a_file_with_a_hand_of_its_own_can_be_overridden(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(
        "hand_model = dict(type='HandPair', source='/mano')\n"
        'model = dict(hand_model=hand_model)'
    )
    cfg = read_config(str(path), {'hand_model.source': '/other'})
    assert cfg.model.hand_model.source == '/other'


def test_a_config_without_a_hand_is_left_alone():
    cfg = Config(dict(model=dict(hand_model=dict(source='x'))))
    share_hand_model(cfg)
    assert cfg.model.hand_model.source == 'x'
