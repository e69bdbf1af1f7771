"""The samples of a batch, field by field: what metrics read in one go."""

from collections.abc import Sequence

import numpy as np
import torch

from mmhand_dne.errors import UserError

from .image_results import hand_flags, image_name, read_field


class ImageBatch:
    """Some evaluated images whose fields have one shape, each read once.

    Args:
        samples: dicts of data samples, as ``process`` of a metric takes them.

    Attributes:
        samples: those dicts.
        images: (B) their names in error sentences.
    """

    def __init__(self, samples: Sequence[dict]) -> None:
        self.samples = list(samples)
        self.images = [image_name(sample) for sample in self.samples]
        self._groups: dict[str, list] = {}
        self._read: dict[tuple, np.ndarray] = {}
        self._finite: set[tuple] = set()
        self._flags: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def labels(self, key: str, shape: Sequence[int], metric: str) -> np.ndarray:
        """A field of ``gt_instance_labels``, (B, ...); see :meth:`field`."""
        return self.field('gt_instance_labels', key, shape, metric)

    def predictions(
        self, key: str, shape: Sequence[int], metric: str, finite: bool = True
    ) -> np.ndarray:
        """A field of ``pred_instances``, (B, ...); see :meth:`field`."""
        return self.field('pred_instances', key, shape, metric, finite)

    def field(
        self,
        group: str,
        key: str,
        shape: Sequence[int],
        metric: str,
        finite: bool = True,
    ) -> np.ndarray:
        """One field of all images in the type it was stored in.

        Args:
            group: 'pred_instances' or 'gt_instance_labels'.
            key: name of the field.
            shape: expected of an image; -1 is any length, the same for all.
            metric: class that asks, for errors.
            finite: refuse NaN and infinity.

        Returns: (B, *shape), to be read only.

        Raises:
            UserError: a field is missing, of another shape or not finite; names the
                image.
        """
        name = group, key
        found = self._read.get(name)
        if found is None or not _fits(found.shape[1:], shape):
            found = self._read[name] = self._stack(group, key, shape, metric)
        if finite and name not in self._finite:
            if not np.isfinite(found).all():
                self._refuse(group, key, shape, metric)
            self._finite.add(name)
        return found

    def hand_flags(self) -> np.ndarray:
        """(B, 2) bool, the true hand types as flags (right, left)."""
        if self._flags is None:
            pairs = zip(self.samples, self.images)
            self._flags = np.array([hand_flags(*pair) for pair in pairs], bool)
        return self._flags

    def meta(self, key: str, default: object) -> list:
        """Of every image, or the default."""
        return [sample.get(key, default) for sample in self.samples]

    def _stack(
        self, group: str, key: str, shape: Sequence[int], metric: str
    ) -> np.ndarray:
        if group not in self._groups:
            self._groups[group] = [sample.get(group) or {} for sample in self.samples]
        try:
            values = [fields[key] for fields in self._groups[group]]
        except KeyError:
            self._refuse(group, key, shape, metric)
        tensors = set(map(type, values)) == {torch.Tensor}
        if not tensors:
            values = [as_array(value) for value in values]
        first = values[0].shape
        if not _fits(first, (1, *shape)):
            self._refuse(group, key, shape, metric)
        if any(value.shape != first for value in values):
            self._refuse(group, key, first[1:], metric)
        # Tensors are joined first: they come from a device in one copy.
        return as_array(torch.cat(values)) if tensors else np.concatenate(values)

    def _refuse(self, group: str, key: str, shape: Sequence[int], metric: str) -> None:
        """Raise the sentence about the first image that does not fit."""
        for sample, image in zip(self.samples, self.images):
            read_field(sample.get(group) or {}, key, shape, image, metric)
        raise UserError(f'{metric}: {key} of {self.images[0]} cannot be read')


def as_array(value: np.ndarray | torch.Tensor) -> np.ndarray:
    """A field as it is stored, as an array; bfloat16, unknown to NumPy, as float32."""
    if type(value) is np.ndarray:
        return value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _fits(found: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(found) == len(wanted) and all(
        want in (-1, have) for want, have in zip(wanted, found)
    )
