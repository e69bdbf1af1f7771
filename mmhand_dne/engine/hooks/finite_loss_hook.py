"""Losses: averaged over processes for the log, and a stop when one is not finite."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from mmhand_dne.errors import UserError

from ..runner.distributed import unwrapped

SHOWN_IMAGES = 8
REMEDY = (
    'lower optim_wrapper.optimizer.lr or optim_wrapper.clip_grad.max_norm, train '
    'without --amp, or look at these images'
)


class _Seen(NamedTuple):
    """Losses of a forward, not read back yet."""

    names: list[str]
    local: Tensor  # of this process
    mean: Tensor  # over processes
    samples: Sequence | None


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training before a loss that is NaN or infinite reaches the weights.

    All terms travel in one collective, after which every process knows the mean over
    processes, and in one transfer to the host, right before the optimiser's step:
    between forward and backward the device would be idle while the host waits. The
    norm of the gradients that clipping found travels with them. That transfer replaces
    those that MMEngine makes, one a term and one for the norm; the log gets the means.

    Raises: ValueError that names the terms, epoch and iteration, and the images, in
        every process alike.
    """

    priority = 'HIGHEST'  # before RuntimeInfoHook reads the losses

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._runner: Runner | None = None
        self._undo: list[Callable[[], None]] = []
        self._seen: _Seen | None = None
        self._norms: list[tuple[OptimWrapper, Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """Watch the model's forward, and the optimisers' clipping and steps."""
        self._runner = runner
        model = unwrapped(runner.model)
        handle = model.register_forward_hook(self._look, with_kwargs=True)
        self._undo = [handle.remove]
        wrapper = runner.optim_wrapper
        wrappers = (
            wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        )
        for wrapper in wrappers:
            handle = wrapper.optimizer.register_step_pre_hook(lambda *_: self._read())
            self._undo += [handle.remove, self._keep_norm(wrapper)]

    def after_train(self, runner: Runner) -> None:
        """Watch no longer."""
        for undo in self._undo:
            undo()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Replace this process's losses by the means over processes."""
        self._read()  # no step, where gradients are accumulated or their scale sought
        for name in outputs or ():
            if name in self._means:
                outputs[name] = self._means[name]

    def _keep_norm(self, wrapper: OptimWrapper) -> Callable[[], None]:
        """Let clipping leave its norm on the device; returns what undoes that."""
        clip = getattr(wrapper, 'clip_func', None)
        if clip is None:
            return lambda: None

        def quiet_clip(*args: Any, **kwargs: Any) -> None:
            norm = clip(*args, **kwargs)
            if norm is not None:
                self._norms.append((wrapper, norm.detach()))

        wrapper.clip_func = quiet_clip
        return lambda: setattr(wrapper, 'clip_func', clip)

    def _look(self, model: nn.Module, args: tuple, kwargs: dict, losses: Any) -> None:
        if kwargs.get('mode') != 'loss' or not isinstance(losses, dict):
            return
        self._read()
        local = torch.stack([_scalar(value) for value in losses.values()])
        mean = local.clone()
        all_reduce(mean, op='mean')
        self._seen = _Seen(list(losses), local, mean, kwargs.get('data_samples'))

    def _read(self) -> None:
        """Take what waits on the device, at once; stop where a loss is not finite."""
        seen, self._seen = self._seen, None
        norms, self._norms = self._norms, []
        parts = [] if seen is None else [seen.mean]
        parts += [norm.to(torch.float32).reshape(1) for _, norm in norms]
        if not parts:
            return
        values = torch.cat(parts).tolist()
        if seen is not None:
            self._check(seen, dict(zip(seen.names, values)))
            values = values[len(seen.names) :]
        for (wrapper, _), value in zip(norms, values):
            wrapper.message_hub.update_scalar(f'train/{wrapper.grad_name}', value)

    def _check(self, seen: '_Seen', means: dict[str, float]) -> None:
        terms = {name: value for name, value in means.items() if 'loss' in name}
        if not all(map(math.isfinite, terms.values())):
            values = dict(zip(seen.names, seen.local.tolist()))
            raise UserError(
                self._message({name: values[name] for name in terms}, seen.samples)
            )
        self._means = {**means, 'loss': sum(terms.values())}

    def _message(self, terms: dict[str, float], samples: Sequence | None) -> str:
        broken = {
            name: value for name, value in terms.items() if not math.isfinite(value)
        }
        gathered = all_gather_object((broken, _describe(samples)))
        found = []
        for rank, (values, images) in enumerate(gathered):
            if values:
                named = ' and '.join(f'{name} is {v}' for name, v in values.items())
                process = f' in process {rank}' if get_world_size() > 1 else ''
                found.append(f'{named}{process} ({images})')
        runner = self._runner
        last = runner.message_hub.runtime_info.get('last_ckpt')
        kept = f'the last checkpoint is {last}' if last else 'no checkpoint was written'
        return (
            f'training stopped at epoch {runner.epoch + 1}, iteration '
            f'{runner.iter + 1}, before the step: {"; ".join(found)}; {kept}; {REMEDY}'
        )


def _scalar(value: Tensor | Sequence[Tensor]) -> Tensor:
    """What MMEngine adds up for one entry: a mean, or the sum of a list's means."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return sum(item.detach().float().mean() for item in items)


def _describe(samples: Sequence | None) -> str:
    """The images of a batch in a few words."""
    samples = samples or ()
    names = [_image_name(sample) for sample in samples]
    names = [name for name in names if name is not None]
    if not names:
        return 'images unknown'
    more = f' and {len(names) - SHOWN_IMAGES} more' if len(names) > SHOWN_IMAGES else ''
    return f'images {", ".join(names[:SHOWN_IMAGES])}{more}'


def _image_name(sample: PoseDataSample) -> str | None:
    for key in ('img_path', 'img_id', 'id', 'sample_idx'):
        value = sample.get(key)
        if value is not None:
            return str(value)
    return None
