"""From what a user calls a model to its config."""

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from mmhand_dne.compat.config_scope import PACKAGE_PATH
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.engine.runner.shared_hand import merge_options
from mmhand_dne.errors import UserError

CONFIGS = PACKAGE_PATH / '.mim' / 'configs'
SCOPE = 'mmhand_dne::'
RENAMED = ('freehand', 'rendered')  # in the names of configs: before, now


def find_config(name: str) -> str:
    """Path of a config.

    Args:
        name: path of a file; or name of one of this package's configs, such as
            ``'dne_rendered'`` or ``'mmhand_dne::hamer/hamer_vit-h...'``.

    Raises:
        FileNotFoundError: there is no such file, and no config of that name; says the
            new name of a config that was renamed, else the nearest.
    """
    if Path(name).is_file():
        return name
    wanted = name.removeprefix(SCOPE).removesuffix('.py')
    known = {
        path.stem: path
        for path in sorted(CONFIGS.rglob('*.py'))
        if '_base_' not in path.relative_to(CONFIGS).parts
    }
    for path in known.values():
        inside = path.relative_to(CONFIGS).with_suffix('').as_posix()
        if wanted in (path.stem, inside):
            return str(path)
    hint = _hint(wanted, sorted(known))
    raise FileNotFoundError(f'there is no config file {name}; {hint}')


def _hint(wanted: str, known: list[str]) -> str:
    """What to give instead of a name that no config has."""
    stem = Path(wanted).name
    renamed = stem.replace(*RENAMED)
    if renamed != stem and renamed in known:
        return f'it is now called {renamed}'
    close = difflib.get_close_matches(wanted, known, n=1)
    return f'did you mean {close[0]}?' if close else 'check the path'


def config_of(
    model: str | Path | Mapping | None, options: Mapping | None = None
) -> Config:
    """A config as a whole run would read it, its hand shared by all parts.

    What is given stays as it is: a config that is an object is copied.

    Raises:
        ValueError: no config is given, or it has no model or test data set.
    """
    if model is None:
        raise UserError(
            'HandMeshInferencer needs the config; a config inside a '
            'checkpoint would be executed, so it is not read'
        )
    if isinstance(model, (str, Path)):
        cfg = read_config(find_config(str(model)), options)
    else:
        own = copy.deepcopy(model)
        cfg = own if isinstance(own, Config) else Config(dict(own))
        merge_options(cfg, options or {})
    for key in ('model', 'test_dataloader'):
        if cfg.get(key) is None:
            raise UserError(
                f'the config has no {key}; give one that tools/test.py could run'
            )
    return cfg


def test_pipeline(cfg: Config) -> list[dict]:
    """The transforms of the test data set, also inside a wrapper or a mixture."""
    dataset = cfg.test_dataloader.dataset
    while 'pipeline' not in dataset:
        inner = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
        if inner is None:
            raise UserError(
                'test_dataloader.dataset has no pipeline; add the '
                'transforms that make a crop'
            )
        dataset = inner
    return [dict(step) for step in dataset.pipeline]
