"""Labels of hands that are posed when somebody reads them, best a batch at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

from mmhand_dne.hand_model.hand_pair import HandName, named_pair

from .ground_truth_fields import HAND_LABELS, HandLabels
from .hand_parameters import as_bytes, from_bytes, unpacked
from .posed_fields import label_fields, posed_hands


class UnposedLabels(HandLabels):
    """The fields of ``HAND_LABELS``, kept as the parameters that pose them.

    A field that is read poses the hands, once: afterwards these are labels like any
    other. :func:`stacked_labels` poses a whole batch without that.

    Args:
        row: (SIZE,) float32 of :func:`complete_row`; None: empty labels.
        hand: whose meshes they are.
        size: (W, H) of the crop, pixels.
        metainfo: as in ``InstanceData``.
    """

    def __init__(
        self,
        row: np.ndarray | None = None,
        hand: HandName | None = None,
        size: tuple | None = None,
        metainfo: dict | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(metainfo=metainfo, **fields)
        if row is not None:
            self.__dict__.update(_row=row, _hand=hand, _size=tuple(size))
            self._data_fields.update(HAND_LABELS)

    @property
    def parameters(self) -> tuple[np.ndarray, HandName, tuple] | None:
        """Row, hand and crop size; None once the hands are posed."""
        held = self.__dict__
        return (held['_row'], held['_hand'], held['_size']) if '_row' in held else None

    def pose(self) -> None:
        """Fill in all fields, on the CPU."""
        if self.parameters is not None:
            fields = _posed([self], torch.device('cpu'))
            for name in ('_row', '_hand', '_size'):
                del self.__dict__[name]
            self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name in HAND_LABELS and self.parameters is not None:
            self.pose()
            return self.__dict__[name]
        raise AttributeError(f'{type(self).__name__} has no {name!r}')

    def set_field(self, value: Any, name: str, *args: Any, **kwargs: Any) -> None:
        """As ``InstanceData``; the other fields are posed first."""
        self.pose()
        super().set_field(value, name, *args, **kwargs)

    def pop(self, *args: Any) -> Any:
        """As ``InstanceData``; the other fields are posed first."""
        self.pose()
        return super().pop(*args)

    def __delattr__(self, item: str) -> None:
        self.pose()
        super().__delattr__(item)

    def __len__(self) -> int:
        return 1 if self.parameters is not None else super().__len__()

    def __reduce__(self) -> tuple:
        if self.parameters is None:
            return super().__reduce__()
        row, hand, size = self.parameters
        held = (as_bytes(row), hand, size, dict(self.metainfo_items()))
        return _arrived, held


def _arrived(content: bytes, *others: Any) -> UnposedLabels:
    return UnposedLabels(from_bytes(content), *others)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32 products: ground truth is exact to a micrometre."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    casts = is_autocast_available(device.type)
    try:
        with torch.autocast(device.type, enabled=False) if casts else nullcontext():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def stacked_labels(
    labels: Sequence[HandLabels], device: torch.device
) -> dict[str, Tensor]:
    """The fields of a batch, (B, ...) float32, each kind of labels in one transfer.

    Labels that are not posed yet are posed in one call for each hand model; they stay
    as they are. Others hold their fields.

    Args:
        labels: (B) ``gt_instance_labels``.
        device: of the result.
    """

    def kind(index: int) -> tuple:
        parameters = getattr(labels[index], 'parameters', None)
        return () if parameters is None else parameters[1:]

    order = sorted(range(len(labels)), key=kind)
    parts = []
    for key, indices in groupby(order, kind):
        rows = [labels[index] for index in indices]
        parts.append(_posed(rows, device) if key else _stacked(rows, device))
    if len(parts) == 1:
        return parts[0]
    back = torch.tensor(np.argsort(order)).to(device)
    return {
        name: torch.cat([part[name] for part in parts])[back] for name in HAND_LABELS
    }


def _posed(labels: Sequence[UnposedLabels], device: torch.device) -> dict[str, Tensor]:
    """Of labels of one hand model and one size of crops."""
    _, hand, size = labels[0].parameters
    rows = torch.from_numpy(np.stack([each.parameters[0] for each in labels]))
    with torch.no_grad(), full_float32(device):
        parameters = unpacked(_to(rows, device))
        hands = posed_hands(parameters, named_pair(hand, str(device)))
        return {k: v.float() for k, v in label_fields(hands, size).items()}


def _stacked(labels: Sequence[HandLabels], device: torch.device) -> dict[str, Tensor]:
    """Of labels that are posed."""
    rows = [torch.cat([each[name] for each in labels]) for name in HAND_LABELS]
    if not all(row.device == device for row in rows):
        flat = _to(torch.cat([row.flatten() for row in rows]), device)
        parts = flat.split([row.numel() for row in rows])
        rows = [part.view(row.shape) for part, row in zip(parts, rows)]
    return dict(zip(HAND_LABELS, rows))


def _to(values: Tensor, device: torch.device) -> Tensor:
    """To the device without waiting for it: from pinned memory, if it is a GPU."""
    if device.type == 'cuda' and values.device.type == 'cpu':
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
