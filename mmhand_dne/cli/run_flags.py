"""What the flags of the train and test tools change in a config."""

import argparse
import os
import os.path as osp

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.logging import print_log

from mmhand_dne.engine.runner.checkpoint_files import (
    check_checkpoint,
    check_resumable,
    find_resumable,
)
from mmhand_dne.errors import UserError


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
        enable_hook(
            cfg,
            args,
            'visualization',
            '--show and --show-dir need',
            "dict(type='HandVisualizationHook')",
        )
        cfg.default_hooks.visualization.out_dir = args.show_dir


def enable_hook(
    cfg: Config, args: argparse.Namespace, name: str, need: str, add: str
) -> None:
    """Switch on a default hook that draws, as often and where the flags say.

    Args:
        name: in ``default_hooks``.
        need: the flags with their verb, for the error sentence.
        add: what makes such a hook, for the same.

    Raises: ValueError where the config has no such hook.
    """
    if name not in cfg.get('default_hooks', {}):
        raise UserError(f'{need} default_hooks.{name} in the config; add {add}')
    hook = cfg.default_hooks[name]
    hook.enable = True
    hook.show = args.show
    hook.interval = args.interval
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


def apply_speed(cfg: Config, channels_last: bool, compiled: bool) -> None:
    """Add the hook that lays convolutions out with channels last, or compiles them."""
    if channels_last or compiled:
        options: dict | None = {} if compiled else None
        hook = dict(type='SpeedHook', channels_last=channels_last, compile=options)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]


def check_precision(cfg: Config) -> None:
    """Refuse float16 where there is no device for it.

    Raises: UserError with the wrapper that works.
    """
    kind = (cfg.get('optim_wrapper') or {}).get('type')
    if kind == 'AmpOptimWrapper' and not torch.cuda.is_available():
        raise UserError(
            "optim_wrapper.type='AmpOptimWrapper' needs a CUDA device, and there is "
            "none; use 'BFloat16OptimWrapper' or 'OptimWrapper'"
        )


def apply_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the real batch size, all accumulated images of it.

    MMEngine counts one iteration's images; a step is made of those of
    ``optim_wrapper.accumulative_counts``.
    """
    if not cfg.get('auto_scale_lr') or 'base_batch_size' not in cfg.auto_scale_lr:
        raise UserError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...)'
            ' in the config, the batch size its learning rate is for'
        )
    cfg.auto_scale_lr.enable = True
    cfg.auto_scale_lr.base_batch_size /= cfg.optim_wrapper.get('accumulative_counts', 1)


def choose_start(cfg: Config, resume: str | None) -> None:
    """Set ``cfg.resume`` and ``cfg.load_from`` to a checkpoint that can be loaded.

    The main process decides for all. With 'auto' and no checkpoint in the work folder
    the run starts as without ``--resume``, from ``load_from`` where the config has it.

    Args:
        resume: None (as the config says), 'auto' or a path.
    """
    named = resume not in (None, 'auto')
    if named:
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
        content = check_checkpoint(cfg.load_from)
        if named:
            check_resumable(resume, content)
