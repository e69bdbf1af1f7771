"""One-hand models among two-slot samples: slot 0 holds the hand, slot 1 is empty."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import pad

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_targets import HandTargets

NUM_SLOTS = 2  # of a sample: right, left


def check_one_hand(data_samples: Sequence) -> None:
    """Refuse a second hand's ground truth, which a one-hand model would ignore."""
    for sample in data_samples:
        if (sample.gt_instance_labels.hand_presence[:, 1:] > 0).any():
            raise UserError(
                f'{sample.metainfo.get("img_path", "a sample")}: shows a hand in the '
                'left slot, but the model reads one hand, as a right one, in '
                'slot 0; use a data set that gives one sample per hand'
            )


def slots_of(targets: HandTargets, count: int) -> HandTargets:
    """The ground truth of the first slots, (B, 2, ...) -> (B, count, ...)."""
    if count == NUM_SLOTS:
        return targets
    fields = {
        name: value[:, :count]
        for name, value in targets._asdict().items()
        if name != 'intrinsics'
    }
    return targets._replace(**fields)


def padded(value: Tensor) -> Tensor:
    """Zeros for the slots a model does not have, (B, S, ...) -> (B, 2, ...)."""
    missing = NUM_SLOTS - value.shape[1]
    return pad(value, (0, 0) * (value.dim() - 2) + (0, missing)) if missing else value
