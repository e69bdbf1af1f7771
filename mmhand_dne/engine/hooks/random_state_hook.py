"""The random generators of every process, in the checkpoint."""

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.state import get_random_state, set_random_state

from .atomic_checkpoint_hook import AtomicCheckpointHook


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Keeps each process's generators and the train loop's position.

    With it and ``ResumableEpochTrainLoop`` a run that was killed and resumed ends with
    the weights of the uninterrupted run. A validation does not move the generators, so
    that it makes no difference whether it ran before the kill or after.

    MMEngine writes a checkpoint in the main process alone, where nothing can be
    collected from the others; several processes therefore need
    ``AtomicCheckpointHook``, which calls ``prepare_checkpoint`` of all hooks in all
    processes first.
    """

    priority = 'LOWEST'  # the last to act before an epoch's first batch

    def __init__(self) -> None:
        self._collected: list | None = None
        self._resumed: list | None = None
        self._before_val: dict | None = None

    def before_train(self, runner: Runner) -> None:
        """Refuse a checkpoint hook that never asks the other processes."""
        asks = any(isinstance(hook, AtomicCheckpointHook) for hook in runner.hooks)
        if get_world_size() > 1 and not asks:
            raise UserError(
                'RandomStateHook with several processes needs default_hooks.checkpoint '
                "of type='AtomicCheckpointHook'; set it or remove RandomStateHook"
            )

    def prepare_checkpoint(self, runner: Runner) -> None:
        """Collect the generators; called in every process."""
        self._collected = all_gather_object(self._before_val or get_random_state())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the states to a checkpoint that can be resumed."""
        if 'optimizer' not in checkpoint:
            return
        states, self._collected = self._collected, None
        checkpoint['random_state'] = states or [self._before_val or get_random_state()]
        if hasattr(runner.train_loop, 'state_dict'):
            checkpoint['train_loop'] = runner.train_loop.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the states out of a checkpoint that is resumed."""
        if not runner._resume:
            return
        self._resumed = checkpoint.get('random_state')
        if self._resumed is None:
            runner.logger.warning(
                'the checkpoint holds no generator states: the resumed run will not '
                'have the random numbers of an uninterrupted one'
            )
        if 'train_loop' in checkpoint and hasattr(runner.train_loop, 'load_state_dict'):
            runner.train_loop.load_state_dict(checkpoint['train_loop'])

    def before_train_epoch(self, runner: Runner) -> None:
        """Put the generators back just before the first batch is sampled."""
        self._restore(runner)

    def _restore(self, runner: Runner) -> None:
        """Put back what a checkpoint held, once."""
        states, self._resumed = self._resumed, None
        if states is None:
            return
        if len(states) != get_world_size():
            runner.logger.warning(
                f'the checkpoint was written by {len(states)} processes, this run has '
                f'{get_world_size()}: generators start anew from the seed'
            )
            return
        set_random_state(states[get_rank()])

    def before_val(self, runner: Runner) -> None:
        """Remember the generators; a checkpoint of the best model holds these."""
        self._restore(runner)  # a resumed run may begin with a validation
        self._before_val = get_random_state()

    def after_val(self, runner: Runner) -> None:
        """Leave them as the validation found them."""
        set_random_state(self._before_val)
        self._before_val = None
