"""One dual noise estimation stage."""

from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.sampling import bilinear
from mmhand_dne.structures.hand_state import HandState, RefinedHands

from .noise_model import StageDraws, draw_noise

# (noise_2d, noise_3d, camera): rows of Tables 2 and 3 and Figure 5 of the paper.
STAGE_MODES = {
    (True, True, 'ridge'): 'full DNE',
    (True, False, 'ridge'): '+eps_2d',
    (False, True, 'keep'): '+eps_3d',
    (True, True, 'keep'): 'without camera correction',
}
SPACE_UNIT = 0.1  # metres; coordinates offered to phi and varphi are of size about 1
NOISE_UNIT_2D = 0.1  # NDC that the last layer's 1 stands for
NOISE_UNIT_3D = 0.1  # metres


class Regressed(NamedTuple):
    """What a forward regresses once for all stages: (B, S, V, 2) and (B, S, V, C)."""

    points_ndc: Tensor
    features: Tensor


class DNEStage(BaseModule):
    """Estimate 2D noise, read features, estimate 3D noise, refit the camera (Eq. 1-7).

    Weights are shared between the two hands, not between stages [decided].

    Args:
        channels: C of the feature map.
        hand_model: :class:`HandPair`.
        noise_2d, noise_3d: estimate eps_2d, eps_3d.
        camera: 'ridge' refits it, 'keep' does not; see ``STAGE_MODES``.
        gamma, delta_2d, delta_3d: Eq. 2; NDC and metres.
        xi: Eq. 6.
        num_cells: D of the three views.
        estimator: config of phi and varphi, e.g. :class:`NoiseMLP`.
        coordinate_inputs: also give phi and varphi the current u and v and a vertex
            embedding. A departure from Eq. 3-4: sampled features do not contain v.
        embed_channels: size of that embedding.
    """

    def __init__(
        self,
        channels,
        hand_model,
        noise_2d=True,
        noise_3d=True,
        camera='ridge',
        gamma=0.1,
        delta_2d=0.01,
        delta_3d=1e-3,
        xi=1e-4,
        num_cells=32,
        estimator=dict(type='NoiseMLP'),
        coordinate_inputs=False,
        embed_channels=16,
        init_cfg=None,
    ):
        super().__init__(init_cfg)
        if (noise_2d, noise_3d, camera) not in STAGE_MODES:
            known = '; '.join(f'{name}: {mode}' for mode, name in STAGE_MODES.items())
            raise UserError(
                f'DNE stage with (noise_2d, noise_3d, camera) = '
                f'{(noise_2d, noise_3d, camera)} is not defined; choose one of {known}'
            )
        self.noise_2d, self.noise_3d, self.camera = noise_2d, noise_3d, camera
        self.gamma, self.delta_2d, self.delta_3d = gamma, delta_2d, delta_3d
        self.coordinate_inputs = coordinate_inputs
        extra = 0
        if coordinate_inputs:
            extra = 5 + embed_channels
            self.embedding = nn.Parameter(
                torch.randn(*hand_model.template.shape[:2], embed_channels) * 0.1
            )
        build = dict(hand_model=hand_model, **estimator)
        if noise_2d:
            self.phi = MODELS.build(
                dict(in_channels=2 * channels + extra, out_channels=2, **build)
            )
        if noise_3d:
            self.views = MODELS.build(
                dict(type='ThreeViewVoxelNeck', num_cells=num_cells)
            )
            self.varphi = MODELS.build(
                dict(in_channels=3 * channels + extra, out_channels=3, **build)
            )
        if camera == 'ridge':
            self.fit_camera = MODELS.build(dict(type='RidgeCamera', xi=xi))

    def with_coordinates(
        self, features: Tensor, points: Tensor, vertices: Tensor
    ) -> Tensor:
        """Append u, v and the vertex embedding to (G, S, V, K) features if asked."""
        if not self.coordinate_inputs:
            return features
        embedding = self.embedding.expand(features.shape[0], -1, -1, -1)
        extra = [points, vertices / SPACE_UNIT, embedding]
        return torch.cat([features, *(x.to(features.dtype) for x in extra)], -1)

    def estimate_2d(
        self,
        features: Tensor,
        points: Tensor,
        vertices: Tensor,
        regressed: Regressed | None,
    ) -> Tensor:
        """mu_2d = phi(f_p, f_r) (Eq. 3): (B, S, V, 2) NDC."""
        read = bilinear(features, points.flatten(1, 2)).unflatten(1, points.shape[1:3])
        joined = torch.cat([read, regressed.features.to(read.dtype)], -1)
        mean = self.phi(self.with_coordinates(joined, points, vertices))
        return NOISE_UNIT_2D * mean.to(points.dtype)

    def read_image(self, features: Tensor, points: Tensor) -> Tensor:
        """g = bilinear(F, u') of every sample: (B, R, S, V, C)."""
        shape = points.shape[1:4]
        return bilinear(features, points.flatten(1, 3)).unflatten(1, shape)

    def estimate_3d(self, aligned: Tensor, points: Tensor, vertices: Tensor) -> Tensor:
        """mu_3d = varphi(three views) (Eq. 4) a sample: (B, R, S, V, 3) metres."""
        samples = aligned.shape[1]
        flat = vertices[:, None].expand(-1, samples, -1, -1, -1).flatten(0, 1)
        views = self.views(aligned.flatten(0, 1), flat)
        mean = self.varphi(self.with_coordinates(views, points.flatten(0, 1), flat))
        return NOISE_UNIT_3D * mean.to(vertices.dtype).unflatten(0, (-1, samples))

    def forward(
        self,
        features: Tensor,
        state: HandState,
        regressed: Regressed | None,
        draws: StageDraws | None,
        regress_joints,
    ) -> RefinedHands:
        """Refine a state.

        Args:
            features: (B, C, h, w) F.
            state: incoming meshes and cameras, whatever produced them.
            regressed: u_r and f_r; needed with ``noise_2d``.
            draws: training noise; None: eps is its mean, one sample.
            regress_joints: (B, S, V, 3) -> (B, S, J, 3).
        """
        vertices = state.vertices
        points = project(vertices, state.camera)
        mean_2d = torch.zeros_like(points)
        points, density = points[:, None], 0
        if self.noise_2d:
            mean_2d = self.estimate_2d(features, points[:, 0], vertices, regressed)
            eps_2d = self.draw(mean_2d[:, None], self.delta_2d, draws)
            points, density = points + eps_2d.value, eps_2d.log_density
        aligned = self.read_image(features, points)
        mean_3d = torch.zeros_like(vertices)[:, None].expand(
            -1, points.shape[1], -1, -1, -1
        )
        refined = vertices[:, None].expand_as(mean_3d)
        if self.noise_3d:
            mean_3d = self.estimate_3d(aligned, points, vertices)
            eps_3d = self.draw(mean_3d, self.delta_3d, draws)
            refined, density = (
                vertices[:, None] + eps_3d.value,
                density + eps_3d.log_density,
            )
        samples = max(points.shape[1], refined.shape[1])
        points = points.expand(-1, samples, -1, -1, -1)
        aligned = aligned.expand(-1, samples, -1, -1, -1)
        mean_3d = mean_3d.expand_as(refined)
        cameras = state.camera[:, None].expand(-1, samples, -1, -1, -1)
        if self.camera == 'ridge':
            cameras = self.fit_camera(refined, points, cameras)
        return self.select(
            density,
            refined,
            cameras,
            points,
            mean_2d,
            mean_3d,
            aligned,
            state,
            regressed,
            regress_joints,
        )

    def draw(self, mean: Tensor, delta: float, draws: StageDraws | None):
        """Draw eps around (B, 1 or R, S, V, D) means: R samples, or the mean alone."""
        if draws is None:
            return draw_noise(mean, self.gamma, delta)
        normal = draws.normal(mean)
        return draw_noise(mean.expand_as(normal), self.gamma, delta, normal)

    def select(
        self,
        density,
        refined,
        cameras,
        points,
        mean_2d,
        mean_3d,
        aligned,
        state,
        regressed,
        regress_joints,
    ) -> RefinedHands:
        """Keep each hand's most confident sample [decided].

        Confidence is log N(eps_2d) + log N(eps_3d) summed over the hand's vertices:
        one index a hand, the introduction's "sample with the highest confidence".
        """
        best = density.detach().argmax(1)  # (B, S)

        image = torch.arange(best.shape[0], device=best.device)[:, None]
        hand = torch.arange(best.shape[1], device=best.device)

        def pick(samples: Tensor) -> Tensor:  # (B, R, S, ...) -> (B, S, ...)
            return samples[image, best, hand]

        vertices = pick(refined)
        chosen = HandState(
            vertices, regress_joints(vertices), state.root, pick(cameras)
        )
        return RefinedHands(
            chosen,
            pick(points),
            mean_2d,
            pick(mean_3d),
            pick(aligned),
            refined,
            cameras,
            points,
            regressed.points_ndc if regressed else None,
        )
