"""Several processes, with or without CUDA devices."""

import gc
import os
import subprocess

import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from mmengine.model import is_model_wrapper
from mmengine.utils.dl_utils import set_multi_processing
from torch import nn

from mmhand_dne.errors import UserError

SHARDED_MODEL = 'ShardedModel'  # the wrapper that is none of DDP's kind
# They copy the model, or change what is trained.
COPYING_HOOKS = ('EMAHook', 'TwoPhaseHook', 'RestHook')
# Names of rank, number of processes and rank on the node, by launcher.
RANK_VARIABLES = dict(
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
)


def init_distributed(cfg: Config) -> None:
    """Join the processes of ``cfg.launcher``; nothing for 'none'.

    MMEngine always selects a CUDA device. Without one the processes meet over gloo,
    and the wrapper of the model gets no device. Buffers are not broadcast, as in
    MMEngine's own wrapper, also where the config describes one.
    """
    if cfg.launcher == 'none' or is_distributed():
        return
    _check_variables_of(cfg.launcher)
    env = cfg.get('env_cfg', {})
    set_multi_processing(**env.get('mp_cfg', {}), distributed=True)
    dist_cfg = dict(env.get('dist_cfg', dict(backend='nccl')))
    wrapper = _wrapper_of(cfg)
    if torch.cuda.is_available():
        init_dist(cfg.launcher, **dist_cfg)
    else:
        _export_rank(cfg.launcher)
        torch_dist.init_process_group('gloo')
        if wrapper['type'] != SHARDED_MODEL:
            wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper


def _wrapper_of(cfg: Config) -> dict:
    """The config of what goes around the model."""
    own = cfg.get('model_wrapper_cfg')
    if own and own.get('type') == SHARDED_MODEL:
        for hook in cfg.get('custom_hooks') or ():
            if hook['type'] in COPYING_HOOKS:
                raise UserError(
                    f'{hook["type"]} cannot work with '
                    f'model_wrapper_cfg.type={SHARDED_MODEL!r}, which shares the '
                    'weights out; remove one of the two'
                )
        return dict(own)
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    unused = cfg.get('find_unused_parameters', False)
    wrapper.update(own or dict(find_unused_parameters=unused))
    return wrapper


def _check_variables_of(launcher: str) -> None:
    """Say which variable of a launcher is missing, with and without CUDA devices."""
    names = RANK_VARIABLES.get(launcher, ())
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        names = (*names, 'SLURM_NODELIST')
    for name in names:
        if name not in os.environ:
            raise UserError(
                f'--launcher {launcher} needs {name} in the '
                'environment; start through the launcher itself'
            )


def _export_rank(launcher: str) -> None:
    """Translate the launcher's variables to those that torch reads."""
    if launcher in RANK_VARIABLES:
        names = RANK_VARIABLES[launcher]
        for target, name in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), names):
            os.environ[target] = os.environ[name]
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        nodes = os.environ['SLURM_NODELIST']
        os.environ['MASTER_ADDR'] = subprocess.check_output(
            ['scontrol', 'show', 'hostname', nodes], text=True
        ).split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    missing = [
        name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR') if name not in os.environ
    ]
    if missing:
        raise UserError(
            f'--launcher {launcher} needs {missing[0]} in the environment;'
            ' start through tools/dist_train.sh or tools/dist_test.sh'
        )


def unwrapped(model: nn.Module) -> nn.Module:
    """A model without the wrapper that a distributed run puts around it."""
    return model.module if is_model_wrapper(model) else model


def leave_distributed() -> None:
    """Leave the process group, if there is one, once all processes are here.

    Drop the runner before. A wrapped model that outlives its process group, or a
    process that leaves while another still writes its checkpoint, now and then ends
    in an abort of gloo's threads, long after all is done.
    """
    if is_distributed():
        gc.collect()
        torch_dist.barrier()
        torch_dist.destroy_process_group()
