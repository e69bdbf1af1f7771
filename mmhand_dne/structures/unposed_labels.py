"""Labels of hands that are posed when somebody reads them, best a batch at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

from mmhand_dne.hand_model.hand_pair import HandName, named_pair

from .ground_truth_fields import HAND_LABELS, HandLabels
from .hand_parameters import as_bytes, from_bytes, unpacked
from .posed_fields import label_fields, posed_hands


class Parameters(NamedTuple):
    """What poses the hands of one image.

    Attributes:
        packed: a row by :func:`as_bytes`.
        hand: whose meshes they are.
        size: (W, H) of the crop, pixels.
    """

    packed: bytes
    hand: HandName
    size: tuple


class UnposedLabels(HandLabels):
    """The fields of ``HAND_LABELS``, kept as the parameters that pose them.

    A field that is read poses the hands, once: afterwards these are labels like any
    other. :func:`stacked_labels` poses a whole batch without that.
    """

    @classmethod
    def of_row(cls, row: np.ndarray, hand: HandName, size: tuple) -> 'UnposedLabels':
        """Labels of one image.

        Args:
            row: (SIZE,) float32 of :func:`complete_row`.
            hand: whose meshes they are.
            size: (W, H) of the crop, pixels.
        """
        return _arrived(as_bytes(row), hand, tuple(size), {})

    @property
    def parameters(self) -> Parameters | None:
        """None once the hands are posed."""
        return self.__dict__.get('_parameters')

    def pose(self) -> None:
        """Fill in all fields, on the CPU."""
        if self.parameters is not None:
            fields = _posed([self], torch.device('cpu'))
            del self.__dict__['_parameters']
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
        return _arrived, (*self.parameters, dict(self.metainfo_items()))


def _arrived(
    packed: bytes, hand: HandName, size: tuple, metainfo: dict
) -> UnposedLabels:
    """Labels without InstanceData's checks of each field, in a tenth of the time."""
    labels = UnposedLabels.__new__(UnposedLabels)
    labels.__dict__.update(
        _parameters=Parameters(packed, hand, size),
        _metainfo_fields=set(metainfo),
        _data_fields=set(HAND_LABELS),
        **metainfo,
    )
    return labels


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32 products: ground truth is exact to a micrometre."""
    switch = _products_of(device)
    # Since torch 2.9 by this name; torch refuses a mixture with the older ones, so that
    # whichever the user has set stays readable only by its own.
    name = 'fp32_precision' if hasattr(switch, 'fp32_precision') else 'allow_tf32'
    before = getattr(switch, name, None)
    casts = is_autocast_available(device.type)
    try:
        if switch is not None:
            setattr(switch, name, 'ieee' if name == 'fp32_precision' else False)
        with torch.autocast(device.type, enabled=False) if casts else nullcontext():
            yield
    finally:
        if switch is not None:
            setattr(switch, name, before)


def _products_of(device: torch.device) -> object | None:
    """What holds the precision of a device's float32 matrix products, if anything."""
    if device.type == 'cuda':
        return torch.backends.cuda.matmul
    products = getattr(torch.backends.mkldnn, 'matmul', None)  # bfloat16 on a CPU
    return products if device.type == 'cpu' else None


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
        if key:
            parts.append(_posed(rows, device))
        else:
            parts.append(dict(zip(HAND_LABELS, on_device(rows, device))))
    if len(parts) == 1:
        return parts[0]
    back = _to(torch.from_numpy(np.argsort(order)), device)
    return {
        name: torch.cat([part[name] for part in parts])[back] for name in HAND_LABELS
    }


def on_device(labels: Sequence[HandLabels], device: torch.device) -> list[Tensor]:
    """All numbers of labels of one kind, on a device in one transfer.

    Returns: parameter rows (B, SIZE) of labels that are not posed, else the fields of
        ``HAND_LABELS``, (B, ...).
    """
    if getattr(labels[0], 'parameters', None) is not None:
        rows = from_bytes([each.parameters.packed for each in labels])
        return [_to(torch.from_numpy(rows), device)]
    rows = [torch.cat([each[name] for each in labels]) for name in HAND_LABELS]
    if all(row.device == device for row in rows):
        return rows
    flat = _to(torch.cat([row.flatten() for row in rows]), device)
    parts = flat.split([row.numel() for row in rows])
    return [part.view(row.shape) for part, row in zip(parts, rows)]


def _posed(labels: Sequence[UnposedLabels], device: torch.device) -> dict[str, Tensor]:
    """Of labels of one hand model and one size of crops."""
    _, hand, size = labels[0].parameters
    with torch.no_grad(), full_float32(device):
        parameters = unpacked(*on_device(labels, device))
        hands = posed_hands(parameters, named_pair(hand, str(device)))
        return {k: v.float() for k, v in label_fields(hands, size).items()}


def _to(values: Tensor, device: torch.device) -> Tensor:
    """To the device without waiting for it: from pinned memory, if it is a GPU."""
    if device.type == 'cuda' and values.device.type == 'cpu':
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
