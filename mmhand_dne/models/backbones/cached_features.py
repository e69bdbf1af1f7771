"""In place of a backbone: the maps that a frozen one has made before."""

import math
from collections.abc import Sequence

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.errors import UserError


@MODELS.register_module()
class CachedFeatures(BaseModule):
    """Give the flattened maps of :class:`CachedHandDataset` their shapes again.

    Args:
        shapes: (C, h, w) of each level that the data set reads, in its order.

    Example:
        >>> net = CachedFeatures([(24, 56, 56), (2304, 1, 1)])
        >>> [tuple(x.shape) for x in net(torch.rand(2, 24 * 56 * 56 + 2304))]
        [(2, 24, 56, 56), (2, 2304, 1, 1)]
    """

    def __init__(
        self, shapes: Sequence[Sequence[int]], init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.shapes = [tuple(shape) for shape in shapes]

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, K) -> (B, C, h, w) of each level.

        Raises:
            ValueError: K is not what the shapes add up to.
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        if inputs.shape[1:] != (sum(sizes),):
            raise UserError(
                f'CachedFeatures got {tuple(inputs.shape)}, its shapes {self.shapes} '
                f'have {sum(sizes)} numbers; let model.backbone.shapes be those of the '
                "data set's levels"
            )
        parts = inputs.split(sizes, 1)
        return tuple(
            part.unflatten(1, shape) for part, shape in zip(parts, self.shapes)
        )
