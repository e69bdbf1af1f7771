"""From a config file and the options of a command to the config of a run."""

import difflib
import inspect
import os.path as osp
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmhand_dne.errors import UserError

# Keys that MMEngine and MMPose read from a config besides the Runner's arguments.
OTHER_KEYS = {
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'default_scope',
    'detect_anomalous_params',
    'efficient_conv_bn_eval',
    'env_cfg',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
}


def read_config(path: str, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and override some of its keys.

    Raises: FileNotFoundError without the file; ValueError for an option whose first
        key neither the config nor MMEngine knows, or whose parent is not in the config.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'there is no config file {path}; check the path')
    cfg = Config.fromfile(path)
    for key in options or {}:
        _check_option(cfg, key)
    cfg.merge_from_dict(dict(options or {}))
    share_hand_model(cfg)
    return cfg


def share_hand_model(cfg: Config) -> None:
    """Give the config's top-level ``hand_model`` to model, data sets and metrics.

    One line changes the hand of a whole run: a model must not learn on the ground truth
    of another hand than its own.
    """
    hand_model = cfg.get('hand_model')
    if hand_model is None:
        return
    if 'model' in cfg and 'hand_model' in cfg.model:
        cfg.model.hand_model = hand_model
    for phase in ('train', 'val', 'test'):
        loader = cfg.get(f'{phase}_dataloader')
        if loader:
            _set_hand_model(loader.dataset, hand_model)
        _share_with_metrics(cfg.get(f'{phase}_evaluator'), hand_model)


def _share_with_metrics(evaluator: Any, hand_model: Mapping) -> None:
    """Metrics, and protocols inside them, that regress joints from meshes."""
    metrics = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    for metric in filter(None, metrics):
        for part in (metric, *metric.get('protocols', ())):
            if 'hand_model' in part:
                part['hand_model'] = hand_model


def _set_hand_model(dataset: Any, hand_model: Mapping) -> None:
    """Also inside wrappers (``dataset``) and mixtures (``datasets``)."""
    if 'hand_model' in dataset:
        dataset.hand_model = hand_model
    for part in (*dataset.get('datasets', ()), dataset.get('dataset')):
        if part is not None:
            _set_hand_model(part, hand_model)


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
        known |= OTHER_KEYS | set(inspect.signature(Runner.__init__).parameters)
    if name not in known:
        close = difflib.get_close_matches(name, sorted(known), n=1)
        hint = (
            f'did you mean {path}{close[0]}?'
            if close
            else (f'it has {", ".join(sorted(node.keys()))}')
        )
        where = path[:-1] or 'the config'
        raise UserError(f'--cfg-options {key}: {where} has no key {name!r}; {hint}')
