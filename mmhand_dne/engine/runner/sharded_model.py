"""A model whose weights, gradients and optimiser states are shared out over processes.

torch's ``fully_shard`` (FSDP2), which MMEngine has no wrapper for. All that leaves the
run is whole: state dicts of the model and of the optimiser are those of a run with
copies of the model, so that checkpoints are loaded, resumed, tested and published like
any other.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, broadcast, is_main_process
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm

from mmhand_dne.errors import UserError


@MODEL_WRAPPERS.register_module()
class ShardedModel(nn.Module):
    """Holds a share of every parameter in each process; gathers them where they act.

    A training equals one of ``MMDistributedDataParallel`` but for the rounding of
    sums. A part's ``whole_parameters`` (names) stay whole in each process: the mixing
    matrix W is inverted and rebased between forwards. It is chosen by
    ``model_wrapper_cfg=dict(type='ShardedModel', units=[...])``.

    Args:
        module: the model; its parameters become DTensors.
        units: names of modules, or of lists of modules, that are gathered one at a
            time, such as ``'backbone.layers'`` of a ViT. What is in none of them is
            gathered for the whole forward and backward.

    Raises:
        UserError: the model has no part of such a name.
    """

    def __init__(self, module: nn.Module, units: Sequence[str] = ()) -> None:
        super().__init__()
        for value in (*module.parameters(), *module.buffers()):
            broadcast(value.detach())
        # Its import brings SymPy: half a second, for runs that share out alone.
        from torch.distributed.fsdp import fully_shard

        # What initialises weights works on whole ones.
        self._fresh = [copy.deepcopy(module).cpu()]  # a list: no child of this module
        mesh = init_device_mesh(get_device(), (torch.distributed.get_world_size(),))
        with _kept_whole(module):
            for part in parts_of(module, units):
                fully_shard(part, mesh=mesh)
            self.module = fully_shard(module, mesh=mesh)
        module.init_weights = self._init_weights
        module._register_state_dict_hook(_gather)
        module._register_load_state_dict_pre_hook(
            lambda state, prefix, *_: _share_out(state, prefix, module)
        )

    def _init_weights(self) -> None:
        """Initialise a whole model, the same one everywhere, and take the shares."""
        if not self._fresh:
            return
        whole = self._fresh.pop()
        whole.init_weights()
        for value in whole.state_dict().values():
            broadcast(value)
        self.module.load_state_dict(whole.state_dict())

    def attach(self, runner: Runner) -> None:
        """Make the optimiser's states whole too, let all processes save at once, and
        clip gradients of both kinds of parameters.
        """
        optimizer = runner.optim_wrapper.optimizer
        if getattr(runner.optim_wrapper, 'clip_func', None) is clip_grad_norm_:
            runner.optim_wrapper.clip_func = clip_all
        optimizer.register_state_dict_post_hook(_gather_states)
        optimizer.register_load_state_dict_pre_hook(_share_out_states)
        runner.save_checkpoint = self._saving(runner, runner.save_checkpoint)

    def _saving(self, runner: Runner, save: Callable) -> Callable:
        """MMEngine's saving, which is of the main process alone."""

        def save_together(*args: Any, save_optimizer: bool = True, **kwargs: Any):
            if is_main_process():
                return save(*args, save_optimizer=save_optimizer, **kwargs)
            self.module.state_dict()
            if save_optimizer:
                runner.optim_wrapper.state_dict()

        return save_together

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's."""
        return self.module(*args, **kwargs)

    # What a wrapper does with a batch is the same.
    train_step = MMDistributedDataParallel.train_step
    val_step = MMDistributedDataParallel.val_step
    test_step = MMDistributedDataParallel.test_step
    _run_forward = MMDistributedDataParallel._run_forward
    detect_anomalous_params = False


def parts_of(module: nn.Module, units: Sequence[str]) -> list[nn.Module]:
    """The modules of those names; of a list of modules each one."""
    parts = []
    for name in units:
        try:
            part = module.get_submodule(name)
        except AttributeError:
            known = ', '.join(child for child, _ in module.named_children())
            raise UserError(
                f'model_wrapper_cfg.units names {name!r}, which the model has not; '
                f'choose parts of {known}'
            ) from None
        is_list = isinstance(part, (nn.ModuleList, nn.Sequential))
        parts += list(part) if is_list else [part]
    return parts


@contextmanager
def _kept_whole(module: nn.Module) -> Iterator[None]:
    """Hide parameters that are not to be shared; their gradients are averaged."""
    kept = [
        (part, name, part._parameters.pop(name))
        for part in module.modules()
        for name in getattr(part, 'whole_parameters', ())
        if name in part._parameters
    ]
    yield
    for part, name, parameter in kept:
        part.register_parameter(name, parameter)
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(_average)


def _average(parameter: nn.Parameter) -> None:
    all_reduce(parameter.grad, op='mean')


def clip_all(
    parameters: Sequence[nn.Parameter], max_norm: float, norm_type: float = 2.0
) -> Tensor:
    """torch's ``clip_grad_norm_`` for parameters some of which are shared out.

    Returns: the norm of all gradients before, a scalar.
    """
    kinds = [
        [p for p in parameters if is_shared(p) is shared] for shared in (True, False)
    ]
    norms = [
        whole(get_total_norm([p.grad for p in kind], norm_type))
        for kind in kinds
        if kind
    ]
    total = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    for kind in kinds:
        clip_grads_with_norm_(kind, max_norm, total)
    return total


def is_shared(value: Any) -> bool:
    """Whether it is a tensor of which each process has a share, a ``DTensor``."""
    tensors = sys.modules.get('torch.distributed.tensor')  # who made one imported it
    return tensors is not None and isinstance(value, tensors.DTensor)


def whole(value: Any) -> Any:
    """A shared tensor gathered from all processes; anything else as it is."""
    return value.full_tensor() if is_shared(value) else value


def _share_of(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in all processes, as ``like`` is shared out."""
    if not is_shared(like) or is_shared(value):
        return value
    if value.shape != like.shape:
        return value  # another model's, which is for whoever loads it to tell
    from torch.distributed.tensor import distribute_tensor

    mesh: DeviceMesh = like.device_mesh
    value = value.to(like.device)
    return distribute_tensor(value, mesh, like.placements, src_data_rank=None)


def _gather(module: nn.Module, state: dict, prefix: str, metadata: dict) -> None:
    for name in list(state):
        state[name] = whole(state[name])


def _share_out(state: dict, prefix: str, module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if prefix + name in state:
            state[prefix + name] = _share_of(state[prefix + name], parameter)


def _gather_states(optimizer: torch.optim.Optimizer, saved: dict) -> dict:
    states = {
        index: {name: whole(value) for name, value in state.items()}
        for index, state in saved['state'].items()
    }
    return {**saved, 'state': states}


def _share_out_states(optimizer: torch.optim.Optimizer, saved: dict) -> dict:
    parameters = [p for group in optimizer.param_groups for p in group['params']]
    states = {
        index: {
            name: _share_of(value, parameters[index])
            if isinstance(value, Tensor)
            else value
            for name, value in state.items()
        }
        for index, state in saved['state'].items()
    }
    return {**saved, 'state': states}
