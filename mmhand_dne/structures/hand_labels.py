"""Ground truth of one sample, cheap to send from a loader's worker."""

import torch
from mmengine.structures import InstanceData
from torch import Tensor


class HandLabels(InstanceData):
    """``InstanceData`` whose tensors travel between processes as plain bytes.

    torch sends each tensor of a worker through a shared-memory file of its own: 14
    small labels an image are hundreds of open files a batch, above the usual limit of
    1024 with a few workers. As bytes they go through the pipe at once.
    """

    def __reduce__(self):
        fields = {name: _to_plain(value) for name, value in self.items()}
        return _rebuild, (fields, dict(self.metainfo_items()))


def _to_plain(value):
    plain = (
        isinstance(value, Tensor)
        and value.device.type == 'cpu'
        and (not value.requires_grad)
    )
    return value.numpy() if plain else value


def _rebuild(fields: dict, metainfo: dict) -> HandLabels:
    labels = HandLabels(metainfo=metainfo)
    for name, value in fields.items():
        is_tensor = isinstance(value, Tensor)
        labels.set_field(value if is_tensor else torch.from_numpy(value), name)
    return labels
