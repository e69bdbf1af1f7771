"""Checkpoints that are whole, also inside an epoch and after a kill."""

import os.path as osp
from collections.abc import Iterable
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import BaseStorageBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from mmhand_dne.compat.plain_checkpoint import make_plain
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import remove_partial_files

from ..runner.checkpoint_files import AtomicLocalBackend
from ..runner.sharded_model import ShardedModel, whole


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's checkpoint hook without its windows for losing a checkpoint.

    A file appears under its name only when it is complete (temporary name, fsync,
    rename; ``last_checkpoint`` too), an old file goes only after the new one is there,
    and parameters that are not finite are never written. Before each checkpoint
    that can be resumed ``prepare_checkpoint`` of every hook is called in every process.
    Only files of the run's own folder are removed, and a training without a single
    batch is refused before it could write any. What MMEngine keeps in objects of its
    own and of NumPy is written as tensors and numbers, so that a plain ``torch.load``
    reads the file; MMEngine's loader gets the objects back.

    Args:
        iter_interval: besides every ``interval`` epochs, write ``iter_N.pth`` every so
            many iterations; 0 for never. Where gradients accumulate it waits for the
            step: a checkpoint holds no gradients.
        max_keep_iter_ckpts: how many of those stay.

    Other arguments: see ``CheckpointHook``; ``backend_args`` of another file back end
    gives up the atomic writing of checkpoints.
    """

    def __init__(
        self,
        *args,
        iter_interval: int = 0,
        max_keep_iter_ckpts: int = 1,
        backend_args: dict | None = None,
        **kwargs,
    ) -> None:
        backend_args = backend_args or dict(backend='atomic_local')
        super().__init__(*args, backend_args=backend_args, **kwargs)
        if iter_interval < 0 or max_keep_iter_ckpts < 1:
            raise UserError(
                f'iter_interval is {iter_interval} and max_keep_iter_ckpts '
                f'{max_keep_iter_ckpts}, expected at least 0 and 1'
            )
        if iter_interval and not self.by_epoch:
            raise UserError(
                'iter_interval is for by_epoch=True; with by_epoch=False '
                'interval already counts iterations'
            )
        self.iter_interval = iter_interval
        self.max_keep_iter_ckpts = max_keep_iter_ckpts
        self._is_due = False

    def before_run(self, runner: Runner) -> None:
        """A model that is shared out over processes is saved by all of them."""
        if isinstance(runner.model, ShardedModel):
            runner.model.attach(runner)

    def before_train(self, runner: Runner) -> None:
        """Find the folder; clear what a killed run left half written."""
        super().before_train(runner)
        _check_batches(runner)
        counts = _accumulated(runner)
        if not self.by_epoch and self.interval % counts:
            raise UserError(
                f'default_hooks.checkpoint.interval={self.interval} falls between '
                f'steps of optim_wrapper.accumulative_counts={counts}, where a run '
                'cannot resume; choose a multiple of it'
            )
        # MMEngine forgets it when resuming, and then the best score after a validation.
        self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if is_main_process() and osp.isdir(self.out_dir):
            for name in remove_partial_files(self.out_dir):
                runner.logger.info(f'removed {name}, left by a run that was stopped')

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Write a checkpoint inside the epoch when it is its turn."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        step = runner.iter + 1
        if self.by_epoch and self.every_n_train_iters(runner, self.iter_interval):
            self._is_due = True
        if self._is_due and step % _accumulated(runner) == 0:
            self._is_due = False
            old = self._retire(
                runner, 'kept_iter_ckpts', step, self.max_keep_iter_ckpts
            )
            self._write(runner, f'iter_{step}.pth', dict(epoch=runner.epoch, iter=step))
            self._remove(f'iter_{step}.pth' for step in old)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Leave tensors and plain data only in what is written."""
        make_plain(checkpoint)

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        """Keep the best; a metric that was not computed is an error."""
        wanted = [key for key in self.save_best or () if key != 'auto']
        absent = [key for key in wanted if metrics and key not in metrics]
        if absent:
            raise UserError(
                f'default_hooks.checkpoint.save_best is {absent[0]!r}, which the '
                f'validation did not compute; choose from {sorted(metrics)} or None'
            )
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        old = []
        if self.max_keep_ckpts > 0:
            old = self._retire(runner, 'keep_ckpt_ids', step, self.max_keep_ckpts)
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(runner.message_hub.get_info('keep_ckpt_ids'))
        self._write(runner, self.filename_tmpl.format(step), meta)
        self._remove(self.filename_tmpl.format(step) for step in old)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """As MMEngine, but the previous best goes after the new one is written."""
        _check_finite(runner, self.last_ckpt)
        backend, self.file_backend = self.file_backend, _LaterRemoval(self.file_backend)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            later, self.file_backend = self.file_backend, backend
        keep = {
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        for path in later.paths:
            # A resumed checkpoint may name the best one of another run's folder.
            is_ours = osp.abspath(osp.dirname(path)) == osp.abspath(self.out_dir)
            if is_ours and path not in keep and backend.isfile(path):
                backend.remove(path)

    def _retire(self, runner: Runner, key: str, step: int, keep: int) -> list[int]:
        """Note a new step in the message hub; returns the steps that have to go."""
        steps = list(runner.message_hub.runtime_info.get(key, ()))
        steps = [known for known in steps if known != step] + [step]
        runner.message_hub.update_info(key, steps[-keep:])
        return steps[:-keep]

    def _write(self, runner: Runner, name: str, meta: dict) -> None:
        """Write one resumable checkpoint and the record of the last one."""
        _check_finite(runner, self.last_ckpt)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.call_hook('prepare_checkpoint')
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            record = osp.join(runner.work_dir, 'last_checkpoint')
            AtomicLocalBackend().put_text(self.last_ckpt, record)

    def _remove(self, names: Iterable[str]) -> None:
        if not is_main_process():
            return
        for name in names:
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)


class _LaterRemoval:
    """A file back end that only notes what to remove; all else it does at once."""

    def __init__(self, backend: BaseStorageBackend) -> None:
        self.backend = backend
        self.paths: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.paths.append(path)


def _accumulated(runner: Runner) -> int:
    """Iterations whose gradients make one step."""
    return max(getattr(runner.optim_wrapper, '_accumulative_counts', 1), 1)


def _check_batches(runner: Runner) -> None:
    """Raise rather than call a model trained that has not seen a single image."""
    loader = runner.train_dataloader
    if len(loader) == 0:
        raise UserError(
            f'train_dataloader has no batch: its data set has {len(loader.dataset)} '
            f'entries, batch_size is {loader.batch_sampler.batch_size} and drop_last '
            f'{loader.batch_sampler.drop_last}; look at indices, filters and '
            'folders of the data set'
        )


def _check_finite(runner: Runner, last: str | None) -> None:
    """Raise rather than overwrite a good checkpoint with a broken model."""
    for name, parameter in runner.model.named_parameters():
        if not whole(torch.isfinite(parameter).all()):
            kept = f'the last checkpoint is {last}' if last else 'none was written yet'
            raise UserError(
                f'no checkpoint at iteration {runner.iter + 1}: the parameter {name} '
                f'is not finite; {kept}; lower optim_wrapper.optimizer.lr or '
                'optim_wrapper.clip_grad.max_norm'
            )
