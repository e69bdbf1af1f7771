"""From a config file and the options of a command to the config of a run."""

import copy
import difflib
import os.path as osp
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmhand_dne.errors import UserError

from .config_variables import READ_KEYS, check_variables
from .shared_hand import merge_options

# In the names of MMEngine's wrapper of FSDP1, whose Runner (0.10.7) saves the state
# dict of ``model.module``: flat shards. :class:`ShardedModel` is ours.
SHARDED = 'FullySharded'
FILE_TYPES = ('.py', '.json', '.yaml', '.yml')  # that MMEngine reads


def read_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and override some of its keys.

    Raises: FileNotFoundError without the file; ValueError for an option whose first
        key neither the config nor MMEngine knows, or whose parent is not in the
        config; UserError for a file of another type, for a value that a run would not
        read, or for two hands.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'there is no config file {path}; check the path')
    if not path.endswith(FILE_TYPES):
        raise UserError(
            f'{path} is no config, whose name ends in one of {", ".join(FILE_TYPES)}; '
            'check the order of the arguments; several pictures for the demo go into a '
            'folder'
        )
    cfg = Config.fromfile(path)
    as_read = copy.deepcopy(cfg)
    for key in options or {}:
        _check_option(cfg, key)
    merge_options(cfg, options or {})
    check_variables(cfg, path, as_read)
    _refuse_unread(cfg)
    _fit_loaders(cfg)
    return cfg


def _refuse_unread(cfg: Config) -> None:
    """Refuse keys that MMEngine documents and these tools would not follow."""
    if cfg.get('runner_type', 'Runner') != 'Runner' or cfg.get('strategy'):
        raise UserError(
            "runner_type and strategy are of MMEngine's FlexibleRunner, which these "
            'tools do not start; remove them from the config'
        )
    wrapper = (cfg.get('model_wrapper_cfg') or {}).get('type', '')
    if SHARDED in str(wrapper):
        raise UserError(
            f'model_wrapper_cfg.type={wrapper!r} cannot be trained here: MMEngine '
            "would write one process's share of the weights as the checkpoint; remove "
            "it, or take type='ShardedModel', which writes whole ones"
        )
    if cfg.get('activation_checkpointing'):
        raise UserError(
            f'activation_checkpointing={cfg.activation_checkpointing!r} would leave '
            'that part without gradients, since its input has none; remove it, and use '
            'with_cp=True in the backbone if it has that'
        )


def _fit_loaders(cfg: Config) -> None:
    """Without workers there is none to keep or to fetch ahead: torch refuses both."""
    for phase in ('train', 'val', 'test'):
        loader = cfg.get(f'{phase}_dataloader')
        if loader and loader.get('num_workers', 0) == 0:
            loader.persistent_workers = False
            loader.pop('prefetch_factor', None)


def _check_option(cfg: Config, key: str) -> None:
    """A misspelt option would be added to the config and never read."""
    *parents, last = key.split('.')
    node, path = cfg, ''
    for name in parents:
        _check_name(node, name, path, key)
        node, path = _child(node, name), f'{path}{name}.'
        if not isinstance(node, (Mapping, Config, list, tuple)):
            return  # the parent is None or a value: MMEngine replaces it or complains
    if not path:
        _check_name(cfg, last, '', key)


def _child(node: Any, name: str) -> Any:
    return node[int(name)] if isinstance(node, (list, tuple)) else node.get(name)


def _check_name(node: Any, name: str, path: str, key: str) -> None:
    if isinstance(node, (list, tuple)):
        if not (name.isdigit() and int(name) < len(node)):
            raise UserError(
                f'--cfg-options {key}: {path[:-1]} is a list of '
                f'{len(node)}, {name!r} is not an index of it'
            )
        return
    known = set(node.keys())
    if not path:
        known |= READ_KEYS
    if name not in known:
        close = difflib.get_close_matches(name, sorted(known), n=1)
        hint = (
            f'did you mean {path}{close[0]}?'
            if close
            else (f'it has {", ".join(sorted(node.keys()))}')
        )
        where = path[:-1] or 'the config'
        raise UserError(f'--cfg-options {key}: {where} has no key {name!r}; {hint}')
