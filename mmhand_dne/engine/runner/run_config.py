"""From a config file and the tools' flags to the config of a run."""

import argparse
import difflib
import inspect
import os
import os.path as osp
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmhand_dne.errors import UserError

from .checkpoint_files import check_checkpoint, find_resumable

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
        of
    another hand than its own.
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


def apply_common_flags(cfg: Config, args: argparse.Namespace) -> None:
    """Launcher, work folder, deterministic algorithms and pictures."""
    cfg.launcher = args.launcher
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('./work_dirs', name)
    if cfg.get('randomness', {}).get('deterministic', False):
        # cuBLAS is deterministic only with a workspace of fixed size.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    if args.show or args.show_dir is not None:
        _enable_pictures(cfg, args)


def _enable_pictures(cfg: Config, args: argparse.Namespace) -> None:
    if 'visualization' not in cfg.get('default_hooks', {}):
        raise UserError(
            '--show and --show-dir need default_hooks.visualization in '
            "the config; add dict(type='HandVisualizationHook')"
        )
    hook = cfg.default_hooks.visualization
    hook.enable = True
    hook.show = args.show
    hook.interval = args.interval
    hook.out_dir = args.show_dir
    if args.show:
        hook.wait_time = args.wait_time


def apply_amp(cfg: Config) -> None:
    """Mixed precision: float16 with loss scaling on CUDA, bfloat16 without."""
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    ours = ('OptimWrapper', 'AmpOptimWrapper', 'BFloat16OptimWrapper')
    if kind not in ours:
        raise UserError(
            f'--amp cannot change optim_wrapper.type {kind!r}; choose one '
            f'of {", ".join(ours)} in the config'
        )
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        for key in ('loss_scale', 'dtype'):
            cfg.optim_wrapper.pop(key, None)


def apply_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the real batch size."""
    if not cfg.get('auto_scale_lr') or 'base_batch_size' not in cfg.auto_scale_lr:
        raise UserError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...)'
            ' in the config, the batch size its learning rate is for'
        )
    cfg.auto_scale_lr.enable = True


def choose_start(cfg: Config, resume: str | None) -> None:
    """Set ``cfg.resume`` and ``cfg.load_from`` to a checkpoint that can be loaded.

    The main process decides for all. With 'auto' and no checkpoint in the work folder
    the run starts as without ``--resume``, from ``load_from`` where the config has it.

    Args:
        resume: None (as the config says), 'auto' or a path.
    """
    if resume not in (None, 'auto'):
        cfg.resume, cfg.load_from = True, resume
    elif resume == 'auto' or (cfg.get('resume') and cfg.get('load_from') is None):
        found = [None, None]
        if get_rank() == 0:
            found = list(find_resumable(cfg.work_dir))
            start = found[1] or (
                f'continuing from {found[0]}'
                if found[0]
                else f'no checkpoint in {cfg.work_dir} to continue from'
            )
            print_log(start)
        broadcast_object_list(found)
        cfg.resume = found[0] is not None
        cfg.load_from = found[0] or cfg.get('load_from')
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from)
