"""A checkpoint has to be of the model it is loaded into."""

import math
import re
from collections.abc import Mapping, Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import hand_fingerprint

from ..runner.distributed import unwrapped
from ..runner.shared_hand import hand_of_model
from ..runner.training_record import TRAINED_ON, joined, record_of, training_sets

HAND = 'hand_fingerprint'  # in a checkpoint's meta
SETTINGS = ('initial_lr', 'weight_decay')  # of an optimiser, which nothing schedules


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuses a checkpoint whose tensors are not those of the model.

    MMEngine loads what fits and warns about the rest, so that a test of the wrong
    model prints numbers. A hand model's arrays are in no checkpoint and not counted.
    They are named by their fingerprint instead: every checkpoint has that of its hand,
    and is refused for another. It also names the data sets that the weights have seen,
    those of the weights that a run began with included. A resumed optimiser brings its
    own learning rate; one that the config does not have is refused too.

    Args:
        allow_missing: beginnings of names that the checkpoint may lack, such as
            ``'refine_head.'`` to start a refined model from its baseline.
        allow_unexpected: beginnings of names that the model may lack.
        allow_other_hand: take the weights of a model of another hand.
    """

    priority = 'HIGHEST'  # before any hook changes the checkpoint

    def __init__(
        self,
        allow_missing: Sequence[str] = (),
        allow_unexpected: Sequence[str] = (),
        allow_other_hand: bool = False,
    ) -> None:
        self.allow_other_hand = allow_other_hand
        self.allow_missing = tuple(allow_missing)
        self.allow_unexpected = tuple(allow_unexpected)
        self._seen_before: list[dict] = []

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Say of which hand the weights are, and of which pictures."""
        hand = _hand_of(runner.model)
        if hand is not None:
            checkpoint['meta'][HAND] = hand
        seen = training_sets(runner.train_dataloader.dataset)
        checkpoint['meta'][TRAINED_ON] = joined(self._seen_before, seen)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare names and shapes before anything is loaded."""
        problems = what_differs(
            runner.model, checkpoint, self.allow_missing, self.allow_unexpected
        )
        if problems:
            raise UserError(
                f'the checkpoint {runner._load_from} is not of this model: '
                f'{"; ".join(problems)}; use the config it was trained with, or list '
                'what may differ in default_hooks.checkpoint_match.allow_missing or '
                'allow_unexpected'
            )
        if not self.allow_other_hand:
            check_hand(runner.model, checkpoint, runner._load_from)
        self._seen_before = record_of(checkpoint)
        if runner._resume and 'optimizer' in checkpoint:
            _check_settings(runner, checkpoint['optimizer'])


def check_hand(model: nn.Module, checkpoint: dict, path: str) -> None:
    """Refuse weights of a model of another hand, where the file tells the hand.

    Args:
        model: perhaps with a ``hand_model``.
        checkpoint: as loaded.
        path: its name, for the error.
    Raises: UserError.
    """
    hand, known = _hand_of(model), (checkpoint.get('meta') or {}).get(HAND)
    if None not in (hand, known) and hand != known:
        raise UserError(
            f'the checkpoint {path} was trained with another hand than the config has; '
            'give the hand of its training as hand_model.source, or set '
            'default_hooks.checkpoint_match.allow_other_hand=True'
        )


def _hand_of(model: nn.Module) -> str | None:
    """Fingerprint of a model's hand, if it is one of ours."""
    hand = hand_of_model(model)
    return hand_fingerprint(hand) if hasattr(hand, 'right') else None


def _check_settings(runner: Runner, saved: dict) -> None:
    """Refuse to resume with settings that the checkpoint's would replace in silence."""
    now = runner.optim_wrapper.state_dict()
    # Several optimisers have their states by name.
    names = [''] if 'param_groups' in now else [n for n in now if n in saved]
    for name in names:
        own, other = (state[name] if name else state for state in (now, saved))
        for group, before in zip(own['param_groups'], other['param_groups']):
            for key in SETTINGS:
                if not _is_close(group.get(key), before.get(key)):
                    raise UserError(
                        f'the checkpoint {runner._load_from} was trained with '
                        f'{key.removeprefix("initial_")} {before[key]:g}, the config '
                        f'says {group[key]:g}, and resuming keeps the former; set '
                        'that in the config, or begin anew from these weights with '
                        'load_from'
                    )


def _is_close(one: float | None, other: float | None) -> bool:
    return None in (one, other) or math.isclose(one, other, rel_tol=1e-6)


def what_differs(
    model: nn.Module,
    checkpoint: dict,
    allow_missing: tuple = (),
    allow_unexpected: tuple = (),
) -> list[str]:
    """Why a checkpoint is not of a model, in a few words each; empty if it is.

    Args: as of :class:`CheckpointMatchHook`.
    """
    state = checkpoint
    if isinstance(checkpoint, Mapping):
        state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping):
        return [f'it holds a {type(state).__name__}, no state dict']
    wanted = _shapes(unwrapped(model).state_dict())
    found = _shapes(state)
    missing = _absent(wanted, found, allow_missing)
    unexpected = _absent(found, wanted, allow_unexpected)
    reshaped = [
        name for name in wanted if found.get(name, wanted[name]) != wanted[name]
    ]
    # MMEngine would pass over them and leave the model as it was drawn at random.
    foreign = [name for name, value in state.items() if not isinstance(value, Tensor)]
    foreign = [name for name in foreign if _plain_name(name) in wanted]
    problems = []
    if missing:
        problems.append(
            f'{len(missing)} of its {len(wanted)} tensors are not in '
            f'the file (first {missing[0]})'
        )
    if unexpected:
        problems.append(
            f'{len(unexpected)} of the file are not in the model '
            f'(first {unexpected[0]})'
        )
    if foreign:
        problems.append(
            f'{len(foreign)} of the file are no tensors (first {foreign[0]}: '
            f'{type(state[foreign[0]]).__name__}), save them as torch tensors'
        )
    if reshaped:
        name = reshaped[0]
        problems.append(
            f'{len(reshaped)} differ in shape (first {name}: '
            f'{found[name]} in the file, {wanted[name]} in the model)'
        )
    return problems


def _absent(names: dict, other: dict, allowed: tuple[str, ...]) -> list[str]:
    """Names that the other does not have and that do not begin as allowed."""
    return [
        name for name in names if name not in other and not name.startswith(allowed)
    ]


def _shapes(state: dict) -> dict[str, tuple]:
    """Shape by name, without the prefix of a distributed wrapper."""
    return {
        _plain_name(name): tuple(getattr(value, 'shape', ()))
        for name, value in state.items()
    }


def _plain_name(name: str) -> str:
    return re.sub(r'^module\.', '', name)
