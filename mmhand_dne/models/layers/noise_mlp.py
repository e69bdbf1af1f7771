"""phi and varphi of the paper's MLP variant."""

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import linear

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.three_view import ThreeViews, cells_are_cheaper


@MODELS.register_module()
class NoiseMLP(BaseModule):
    """A perceptron shared by all vertices: the mean of their noise (DNE Eq. 3-4).

    The last layer starts at zero, so that an untrained stage changes nothing [decided].

    Args:
        in_channels: of a vertex's features.
        out_channels: 2 (image plane) or 3 (space).
        hidden_channels: width.
        num_layers: linear layers, at least 2.
        hand_model: unused; every noise estimator is offered the hand.

    Example:
        >>> phi = NoiseMLP(64, 2)
        >>> phi(torch.rand(4, 2, 778, 64)).shape
        torch.Size([4, 2, 778, 2])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 128,
        num_layers: int = 3,
        hand_model: nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 2:
            raise UserError(f'NoiseMLP: num_layers is {num_layers}, expected >= 2')
        layers, width = [], in_channels
        for _ in range(num_layers - 1):
            layers += [nn.Linear(width, hidden_channels), nn.ReLU(inplace=True)]
            width = hidden_channels
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(width, out_channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(G, S, V, in_channels) -> (G, S, V, out_channels)."""
        # One row a vertex: a ReLU in place would copy the view that more axes are.
        rows = features.flatten(0, -2)
        return self.last(self.body(rows)).unflatten(0, features.shape[:-1])

    def of_views(self, views: ThreeViews, extra: Tensor | None) -> Tensor:
        """The same of the vertices' features in three views, and others behind them.

        The first layer is linear: it is done on the views' cells.

        Args:
            views: of G hands.
            extra: (G, V, in_channels - 3 C), or None where the views are all.
        Returns: (G, V, out_channels).
        """
        first, channels = self.body[0], 3 * views.maxima.shape[-1]
        hidden = views.linear(first.weight[:, :channels]) + first.bias
        if extra is not None:
            hidden = hidden + linear(extra, first.weight[:, channels:])
        mean = self.last(self.body[1:](hidden.flatten(0, 1)))
        return mean.unflatten(0, hidden.shape[:2])

    def takes_cells(self, features: Tensor) -> bool:
        """Whether :meth:`of_views` is the cheaper way for features (..., C)."""
        return cells_are_cheaper(features, self.body[0].out_features)
