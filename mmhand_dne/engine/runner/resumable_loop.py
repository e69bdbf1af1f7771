"""Training by epochs that continues inside an epoch as if never stopped."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop
from mmpose.registry import LOOPS
from torch.utils.data import Sampler

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.state import preserved_random_state


@LOOPS.register_module()
class ResumableEpochTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop by epochs, resumable at any iteration.

    A checkpoint written inside an epoch continues with the next batch of that epoch;
    one written between an epoch and its validation continues with the validation.
    ``RandomStateHook`` carries the random generators and this loop's :meth:`state_dict`
    in the checkpoint.

    Skipping needs a sampler with an attribute ``start`` (samples of this process to
    leave out) and random numbers keyed by epoch and index: ``KeyedSampler``.

    Arguments: see ``EpochBasedTrainLoop``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._epoch_start = 0  # iteration at which the current epoch began
        self._validated_epoch = 0
        self._saved: dict | None = None

    def state_dict(self) -> dict:
        """What a checkpoint needs besides MMEngine's epoch and iteration."""
        return dict(
            epoch=self._epoch,
            epoch_start=self._epoch_start,
            validated_epoch=self._validated_epoch,
            sampler_seed=getattr(self._sampler, 'seed', None),
            **self._data_shape(),
        )

    def load_state_dict(self, state: dict) -> None:
        """Keep the saved state; :meth:`run` acts on it, when the epoch is known."""
        self._saved = state

    def run(self) -> torch.nn.Module:
        """Train, from where the checkpoint stopped if one was resumed."""
        self.runner.call_hook('before_train')
        batches_done = self._continue_saved_run()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch(batches_done)
            batches_done = 0
            self._decide_current_val_interval()
            self._validate_if_due()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self, batches_done: int = 0) -> None:
        """One epoch without its first ``batches_done`` batches."""
        self._epoch_start = self._iter - batches_done
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if batches_done < len(self.dataloader):
            with self._skip(batches_done):
                # Starting the loader takes a random seed for its workers.
                with preserved_random_state():
                    batches = iter(self.dataloader)
                for index, batch in enumerate(batches, start=batches_done):
                    self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self._epoch_start = self._iter

    @property
    def _sampler(self) -> Sampler:
        """The sampler of single indices, also below a batch sampler of its own."""
        batches = self.dataloader.batch_sampler
        return getattr(batches, 'sampler', self.dataloader.sampler)

    def _data_shape(self) -> dict:
        return dict(
            batch_size=self.dataloader.batch_sampler.batch_size,
            processes=get_world_size(),
            batches=len(self.dataloader),
        )

    def _continue_saved_run(self) -> int:
        """Restore the saved position; returns the batches done in this epoch."""
        if self._saved is None:
            self._epoch_start = self._iter
            return 0
        saved, self._saved = self._saved, None
        self._validated_epoch = saved['validated_epoch']
        if saved['sampler_seed'] is not None:
            self._sampler.seed = saved['sampler_seed']
        if saved['epoch'] == self._epoch and self._iter > saved['epoch_start']:
            self._check_same_data(saved)
            return self._iter - saved['epoch_start']
        self._epoch_start = self._iter
        self._decide_current_val_interval()
        self._validate_if_due()
        return 0

    def _check_same_data(self, saved: dict) -> None:
        found = self._data_shape()
        changed = [
            f'{key} {saved[key]} -> {found[key]}'
            for key in found
            if saved[key] != found[key]
        ]
        if changed:
            raise UserError(
                f'the checkpoint was written inside epoch {self._epoch + 1} and the '
                f'data are cut differently now ({", ".join(changed)}); resume with the '
                'same batch size, number of processes and data, or from a checkpoint '
                'of a whole epoch'
            )
        if not hasattr(self._sampler, 'start'):
            raise UserError(
                f'{type(self._sampler).__name__} cannot continue inside an epoch; set '
                "train_dataloader.sampler.type='KeyedSampler' or resume from a "
                'checkpoint of a whole epoch'
            )

    @contextmanager
    def _skip(self, batches: int) -> Iterator[None]:
        """Let the sampler leave out the samples of the first batches."""
        if hasattr(self._sampler, 'start'):
            self._sampler.start = batches * self.dataloader.batch_sampler.batch_size
        try:
            yield
        finally:
            if hasattr(self._sampler, 'start'):
                self._sampler.start = 0

    def _validate_if_due(self) -> None:
        """Validate the finished epoch once."""
        epoch = self._epoch
        is_due = epoch % self.val_interval == 0 or epoch == self._max_epochs
        if self.runner.val_loop is None or epoch < max(self.val_begin, 1):
            return
        if is_due and self._validated_epoch < epoch:
            # Set first: the best checkpoint is written while the loop runs.
            self._validated_epoch = epoch
            self.runner.val_loop.run()
