"""Losses: averaged over processes for the log, and a stop when one is not finite."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.hooks import Hook
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


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training before a loss that is NaN or infinite reaches the weights.

    It looks at the model's losses between forward and backward. All terms travel in
    one collective, after which every process knows the mean over processes, and in
    one transfer to the host. That transfer replaces those that MMEngine's log makes,
    one per term; the log gets the means.

    Raises: ValueError that names the terms, epoch and iteration, and the images, in
        every process alike.
    """

    priority = 'HIGHEST'  # before RuntimeInfoHook reads the losses

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._runner: Runner | None = None
        self._handle: Any = None

    def before_train(self, runner: Runner) -> None:
        """Watch the model's forward."""
        self._runner = runner
        model = unwrapped(runner.model)
        self._handle = model.register_forward_hook(self._look, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Watch no longer."""
        self._handle.remove()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Replace this process's losses by the means over processes."""
        for name in outputs or ():
            if name in self._means:
                outputs[name] = self._means[name]

    def _look(self, model: nn.Module, args: tuple, kwargs: dict, losses: Any) -> None:
        if kwargs.get('mode') != 'loss' or not isinstance(losses, dict):
            return
        local = torch.stack([_scalar(value) for value in losses.values()])
        mean = local.clone()
        all_reduce(mean, op='mean')
        means = dict(zip(losses, mean.tolist()))
        terms = {name: value for name, value in means.items() if 'loss' in name}
        if not all(map(math.isfinite, terms.values())):
            values = dict(zip(losses, local.tolist()))
            samples = kwargs.get('data_samples')
            raise UserError(
                self._message({name: values[name] for name in terms}, samples)
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
