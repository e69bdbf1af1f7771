"""phi and varphi of the paper's MLP variant."""

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError


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
        return self.last(self.body(features))
