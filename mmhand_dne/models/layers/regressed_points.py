"""Image points regressed from the feature map, the second source of phi (DNE Eq. 3)."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv1d, linear

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import axis_factors, project
from mmhand_dne.geometry.sampling import bilinear

MAX_NDC = 1.2  # regressed points may leave the crop this far
# NDC per metre, along the shorter side, of the template's projection that biases them.
TEMPLATE_SCALE = 6.0
MEAN_LIMIT = 0.99  # of MAX_NDC; atanh beyond it is a dead unit


class RegressedPoints(BaseModule):
    """u_r, its confidence and the features read there (DNE "mu_2d estimation").

    F as (h w) x C goes through a linear map over the spatial axis to (2V) x C, a row
    for a vertex of a hand slot, and a shared perceptron to 2V x 3. Two numbers are
    the point, ``1.2 tanh``, started at the mean projected template; the third is a
    confidence logit whose sigmoid scales the features. All of that is ours [decided],
    as is that u_r is regressed once for all stages; the paper has two perceptrons and
    says of neither what it is made of.

    Args:
        channels: C of the feature map.
        map_size: (h, w) of the feature map; the spatial map is tied to it.
        hand_model: :class:`HandPair`, for the template.
        hidden_channels: of the perceptron.
        pool: average so many cells by so many before the linear map, which has that
            many squared times fewer weights; 1 in the paper.
    """

    def __init__(
        self,
        channels: int,
        map_size: tuple[int, int],
        hand_model: nn.Module,
        hidden_channels: int = 64,
        pool: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.map_size, self.pool = tuple(map_size), pool
        cells = [side // pool for side in self.map_size]
        if pool < 1 or any(side % pool for side in self.map_size):
            raise UserError(
                f'DNEHead: pool={pool} does not divide map_size={self.map_size}; '
                'choose a divisor, or 1'
            )
        template = hand_model.template
        self.num_hands, self.num_vertices = template.shape[:2]
        rows = self.num_hands * self.num_vertices
        self.spatial = nn.Linear(cells[0] * cells[1], rows)
        self.shared = nn.Sequential(
            nn.Linear(channels, hidden_channels),
            nn.ReLU(),  # in place it would copy the view that it is given
            nn.Linear(hidden_channels, 3),
        )
        centred = template - template.mean(1, keepdim=True)
        along = axis_factors(min(self.map_size), self.map_size[::-1])
        camera = torch.tensor([[TEMPLATE_SCALE * factor, 0.0] for factor in along])
        start = project(centred, camera.expand(self.num_hands, 2, 2)) / MAX_NDC
        start = start.clamp(-MEAN_LIMIT, MEAN_LIMIT).atanh()
        self.start = nn.Parameter(start)
        nn.init.normal_(self.shared[-1].weight, std=1e-3)
        nn.init.zeros_(self.shared[-1].bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Points and the features read at them.

        Args:
            features: (B, C, h, w).
        Returns: u_r (B, S, V, 2) NDC, f_r (B, S, V, C).
        """
        if tuple(features.shape[-2:]) != self.map_size:
            raise UserError(
                f'feature map is {tuple(features.shape[-2:])}, the head was built for '
                f'{self.map_size}; set refine_head.map_size to the input size / stride'
            )
        cells = features if self.pool == 1 else avg_pool2d(features, self.pool)
        hidden = self.first_of_perceptron(cells.flatten(2))  # (B, S*V, hidden)
        raw = self.shared[1:](hidden)
        raw = raw.unflatten(1, (self.num_hands, self.num_vertices))
        points = MAX_NDC * torch.tanh(self.start + raw[..., :2])
        read = bilinear(features, points.flatten(1, 2))
        read = read.unflatten(1, points.shape[1:3])
        return points, raw[..., 2:].sigmoid() * read

    def first_of_perceptron(self, cells: Tensor) -> Tensor:
        """Both linear maps, over the cells and over the channels, in the cheaper order.

        They act on different axes, so either may come first: ``C (S W + b) + c`` is
        ``(C S) W + (C 1) b + c``. The one over the cells is the dear one, and is done
        on as few channels as can be.

        Args:
            cells: (B, C, h w).
        Returns: (B, S*V, hidden), the perceptron's first layer before its ReLU.
        """
        first = self.shared[0]
        if first.in_features <= first.out_features:
            return first(self.spatial(cells).transpose(1, 2))
        rows = conv1d(cells, first.weight[..., None])  # (B, hidden, h w)
        rows = linear(rows, self.spatial.weight)
        bias = first.weight.sum(1)[:, None] * self.spatial.bias + first.bias[:, None]
        return (rows + bias).transpose(1, 2)
