"""One dual noise estimation stage."""

from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.mesh import normalised_adjacency
from mmhand_dne.geometry.sampling import bilinear, ready_to_read
from mmhand_dne.structures.hand_state import HandState, RefinedHands

from .fused_stage import fused_bilinear
from .landmark_context import SPACE_UNIT, LandmarkContext
from .noise_model import NoiseDraw, StageDraws, draw_noise

# (noise_2d, noise_3d, camera): rows of Tables 2 and 3 and Figure 5 of the paper.
STAGE_MODES = {
    (True, True, 'ridge'): 'full DNE',
    (True, False, 'ridge'): '+eps_2d',
    (False, True, 'keep'): '+eps_3d',
    (True, True, 'keep'): 'without camera correction',
}
NOISE_UNIT_2D = 0.1  # NDC that the last layer's 1 stands for
NOISE_UNIT_3D = 0.1  # metres


class Regressed(NamedTuple):
    """What a forward regresses once for all stages.

    Attributes:
        points_ndc: (B, S, V, 2) u_r, crop NDC.
        features: (B, S, V, C) f_r, read at those points.
    """

    points_ndc: Tensor
    features: Tensor


class StageSamples(NamedTuple):
    """The R noisy samples that a stage draws of the hands; R is 1 at inference.

    Attributes:
        vertices: (B, R, S, V, 3) metres, v' = v + eps_3d.
        cameras: (B, R, S, 2, 2) rows (scale, shift), refitted to each sample.
        points_ndc: (B, R, S, V, 2) u' = u + eps_2d, crop NDC.
        features: (B, R, S, V, C) image-aligned features g.
        mean_2d: (B, S, V, 2) mean of eps_2d, NDC, the same for all samples.
        mean_3d: (B, R, S, V, 3) mean of eps_3d, metres.
        log_density: (B, R, S) log N(eps_2d) + log N(eps_3d) of each hand.
        noise: (B, R, S, V, K) the standard normal noise behind them; K is 5, or what is
            estimated of 2 and 3.
    """

    vertices: Tensor
    cameras: Tensor
    points_ndc: Tensor
    features: Tensor
    mean_2d: Tensor
    mean_3d: Tensor
    log_density: Tensor
    noise: Tensor


class DNEStage(BaseModule):
    """Estimate 2D noise, read features, estimate 3D noise, refit the camera (Eq. 1-7).

    Weights are shared between the two hands, not between stages; each stage starts at
    u = Pi(v', c') of the one before; a sample has a camera of its own [decided].

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
        landmark_inputs: also give them what :class:`LandmarkContext` tells of landmarks
            that the regressor read beside the mesh, another departure.
        confidence: config of what says which sample goes on:
            :class:`DensityConfidence`, or :class:`LearnedConfidence`.
        smoothing: times that the means of both noises are averaged with those of the
            neighbours on the mesh, so that what moves a fingertip does not crumple it;
            0 in the paper.
        fused: read features and views by kernels, on CUDA with Triton alone, see
            :mod:`.fused_stage`; off unless asked for: no GPU has run them.
    """

    def __init__(
        self,
        channels: int,
        hand_model: nn.Module,
        noise_2d: bool = True,
        noise_3d: bool = True,
        camera: str = 'ridge',
        gamma: float = 0.1,
        delta_2d: float = 0.01,
        delta_3d: float = 1e-3,
        xi: float = 1e-4,
        num_cells: int = 32,
        estimator: dict = dict(type='NoiseMLP'),
        coordinate_inputs: bool = False,
        embed_channels: int = 16,
        landmark_inputs: bool = False,
        smoothing: int = 0,
        confidence: dict = dict(type='DensityConfidence'),
        fused: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if (noise_2d, noise_3d, camera) not in STAGE_MODES:
            known = '; '.join(f'{name}: {mode}' for mode, name in STAGE_MODES.items())
            raise UserError(
                f'DNE stage with (noise_2d, noise_3d, camera) = '
                f'{(noise_2d, noise_3d, camera)} is not defined; choose one of {known}'
            )
        self.hand_model, self.fused = hand_model, fused
        self.noise_2d, self.noise_3d, self.camera = noise_2d, noise_3d, camera
        self.gamma, self.delta_2d, self.delta_3d = gamma, delta_2d, delta_3d
        self.coordinate_inputs = coordinate_inputs
        extra = 0
        if coordinate_inputs:
            extra = 5 + embed_channels
            self.embedding = nn.Parameter(
                torch.randn(*hand_model.template.shape[:2], embed_channels) * 0.1
            )
        smooth = smoother(hand_model, smoothing) if smoothing else None
        self.register_buffer('smooth', smooth, persistent=False)
        self.landmark_inputs = landmark_inputs
        if landmark_inputs:
            self.context = LandmarkContext(hand_model)
            extra += self.context.num_channels

        def build(inputs: int, outputs: int) -> nn.Module:
            sizes = dict(in_channels=inputs + extra, out_channels=outputs)
            return MODELS.build({**sizes, 'hand_model': hand_model, **estimator})

        if noise_2d:
            self.phi = build(2 * channels, 2)
        if noise_3d:
            views = dict(num_cells=num_cells, fused=fused)
            self.views = MODELS.build(dict(type='ThreeViewVoxelNeck', **views))
            self.varphi = build(3 * channels, 3)
        if camera == 'ridge':
            self.fit_camera = MODELS.build(dict(type='RidgeCamera', xi=xi))
        sizes = dict(in_channels=channels, noise_channels=2 * noise_2d + 3 * noise_3d)
        self.confidence = MODELS.build({**sizes, **confidence})

    def context_of(self, state: HandState, landmarks: Tensor | None) -> Tensor | None:
        """What the landmarks tell of each vertex, (B, S, V, K); None: nothing."""
        if not self.landmark_inputs:
            return None
        if landmarks is None:
            raise UserError(
                'DNE stage with landmark_inputs: the regressor read no landmarks; use '
                'MANOTokenHead, or set refine_head.landmark_inputs=False'
            )
        return self.context(landmarks, state)

    def with_extras(
        self, features: Tensor, points: Tensor, vertices: Tensor, context: Tensor | None
    ) -> Tensor:
        """Append u, v and the vertex embedding, and the context, to (G, S, V, K)
        features if asked.
        """
        extra = self.extras(points, vertices, context)
        if not extra:  # torch.cat would copy them
            return features
        return torch.cat([features, *(x.to(features.dtype) for x in extra)], -1)

    def extras(
        self, points: Tensor, vertices: Tensor, context: Tensor | None
    ) -> list[Tensor]:
        """What phi and varphi are given beside features, each (G, S, V, K)."""
        extra = []
        if self.coordinate_inputs:
            embedding = self.embedding.expand(points.shape[0], -1, -1, -1)
            extra += [points, vertices / SPACE_UNIT, embedding]
        if context is not None:
            extra.append(context)
        return extra

    def estimate_2d(
        self,
        features: Tensor,
        points: Tensor,
        vertices: Tensor,
        regressed: Regressed | None,
        context: Tensor | None = None,
    ) -> Tensor:
        """mu_2d = phi(f_p, f_r) (Eq. 3): (B, S, V, 2) NDC."""
        read = self.read(features, points.flatten(1, 2))
        read = read.unflatten(1, points.shape[1:3])
        joined = torch.cat([read, regressed.features.to(read.dtype)], -1)
        mean = self.phi(self.with_extras(joined, points, vertices, context))
        return self.smoothed(NOISE_UNIT_2D * mean.to(points.dtype))

    def smoothed(self, noise: Tensor) -> Tensor:
        """Noise (..., S, V, D), averaged over the mesh if asked."""
        return noise if self.smooth is None else self.smooth.to(noise) @ noise

    def ready(self, features: Tensor) -> Tensor:
        """Features (B, C, h, w), laid out for the reads of all stages."""
        if not self.fused:
            return ready_to_read(features)
        return features.contiguous(memory_format=torch.channels_last)

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """Features (B, C, h, w) at (B, N, 2) NDC points: (B, N, C)."""
        return (fused_bilinear if self.fused else bilinear)(features, points)

    def read_image(self, features: Tensor, points: Tensor) -> Tensor:
        """g = bilinear(F, u') of every sample: (B, R, S, V, C)."""
        shape = points.shape[1:4]
        return self.read(features, points.flatten(1, 3)).unflatten(1, shape)

    def estimate_3d(
        self,
        aligned: Tensor,
        points: Tensor,
        vertices: Tensor,
        context: Tensor | None = None,
    ) -> Tensor:
        """mu_3d = varphi(three views) (Eq. 4) a sample: (B, R, S, V, 3) metres."""
        samples = aligned.shape[1]

        def repeated(values: Tensor) -> Tensor:
            return values.repeat_interleave(samples, 0) if samples > 1 else values

        context = context if context is None else repeated(context)
        mean = self.noise_of_views(
            aligned.flatten(0, 1), points.flatten(0, 1), repeated(vertices), context
        )
        mean = self.smoothed(NOISE_UNIT_3D * mean.to(vertices.dtype))
        return mean.unflatten(0, (-1, samples))

    def noise_of_views(
        self,
        aligned: Tensor,
        points: Tensor,
        vertices: Tensor,
        context: Tensor | None,
    ) -> Tensor:
        """varphi of (G, S, V, C) features in three views: (G, S, V, 3), unscaled."""
        takes_cells = getattr(self.varphi, 'takes_cells', None)
        if not self.training or takes_cells is None or not takes_cells(aligned):
            views = self.views(aligned, vertices)
            return self.varphi(self.with_extras(views, points, vertices, context))
        extra = self.extras(points, vertices, context)
        extra = torch.cat(extra, -1).flatten(0, 1) if extra else None
        mean = self.varphi.of_views(self.views.pool(aligned, vertices), extra)
        return mean.unflatten(0, aligned.shape[:2])

    def forward(
        self,
        features: Tensor,
        state: HandState,
        regressed: Regressed | None,
        draws: StageDraws | None,
        landmarks: Tensor | None = None,
    ) -> RefinedHands:
        """Refine a state.

        Args:
            features: (B, C, h, w) F.
            state: incoming meshes and cameras, whatever produced them.
            regressed: u_r and f_r; needed with ``noise_2d``.
            draws: training noise; None: eps is its mean, one sample.
            landmarks: (B, S, 21, 2) crop NDC, needed with ``landmark_inputs``.
        """
        samples = self.sample(features, state, regressed, draws, landmarks)
        refined = self.select(samples, state)
        return refined._replace(regressed_ndc=regressed and regressed.points_ndc)

    def sample(
        self,
        features: Tensor,
        state: HandState,
        regressed: Regressed | None,
        draws: StageDraws | None,
        landmarks: Tensor | None = None,
    ) -> StageSamples:
        """Noisy meshes and their cameras; arguments as in :meth:`forward`."""
        vertices, density, noise = state.vertices, 0, []
        context = self.context_of(state, landmarks)
        # In the image plane: where each vertex is seen, u' = u + eps_2d (Eq. 1-3).
        points = project(vertices, state.camera)[:, None]
        mean_2d = torch.zeros_like(points[:, 0])
        if self.noise_2d:
            mean_2d = self.estimate_2d(
                features, points[:, 0], vertices, regressed, context
            )
            eps_2d = self.draw(mean_2d[:, None], self.delta_2d, draws)
            points, density = points + eps_2d.value, eps_2d.log_density
            noise.append(eps_2d.normal)
        # Image-aligned features: what the image shows there.
        aligned = self.read_image(features, points)
        # In space: from three views of those features, v' = v + eps_3d (Eq. 4).
        refined = vertices[:, None]
        mean_3d = torch.zeros_like(refined)
        if self.noise_3d:
            mean_3d = self.estimate_3d(aligned, points, vertices, context)
            eps_3d = self.draw(mean_3d, self.delta_3d, draws)
            refined = refined + eps_3d.value
            density = density + eps_3d.log_density
            noise.append(eps_3d.normal)
        # One sample of the image plane may meet many in space, and the other way.
        count = max(points.shape[1], refined.shape[1])
        refined, points, aligned, mean_3d, cameras = (
            value.expand(-1, count, *value.shape[2:])
            for value in (refined, points, aligned, mean_3d, state.camera[:, None])
        )
        # The camera that sees v' at u' (Eq. 6-7).
        if self.camera == 'ridge':
            cameras = self.fit_camera(refined, points, cameras)
        return StageSamples(
            refined,
            cameras,
            points,
            aligned,
            mean_2d,
            mean_3d,
            density,
            torch.cat(noise, -1),
        )

    def draw(self, mean: Tensor, delta: float, draws: StageDraws | None) -> NoiseDraw:
        """Draw eps around (B, 1 or R, S, V, D) means: R samples, or the mean alone."""
        if draws is None:
            return draw_noise(mean, self.gamma, delta)
        normal = draws.normal(mean)
        return draw_noise(mean.expand_as(normal), self.gamma, delta, normal)

    def select(self, samples: StageSamples, state: HandState) -> RefinedHands:
        """Keep each hand's most confident sample [decided].

        One index per hand, the introduction's "sample with the highest confidence".

        Args:
            samples: of this stage.
            state: what came into it; its root stays.
        """
        confidence = self.confidence(samples)
        best = confidence.detach().argmax(1)  # (B, S)
        image = torch.arange(best.shape[0], device=best.device)[:, None]
        hand = torch.arange(best.shape[1], device=best.device)

        def pick(values: Tensor) -> Tensor:  # (B, R, S, ...) -> (B, S, ...)
            return values[image, best, hand]

        vertices = pick(samples.vertices)
        joints = self.hand_model.regress_joints(vertices)
        return RefinedHands(
            state=HandState(vertices, joints, state.root, pick(samples.cameras)),
            points_ndc=pick(samples.points_ndc),
            mean_2d=samples.mean_2d,
            mean_3d=pick(samples.mean_3d),
            features=pick(samples.features),
            sample_vertices=samples.vertices,
            sample_cameras=samples.cameras,
            sample_points_ndc=samples.points_ndc,
            regressed_ndc=None,
            confidence=confidence,
        )


def smoother(hand_model: nn.Module, times: int) -> Tensor:
    """(S, V, V) that averages vertices with their neighbours so many times."""
    count = hand_model.template.shape[1]
    return torch.stack(
        [
            normalised_adjacency(faces, count).to_dense().matrix_power(times)
            for faces in hand_model.faces
        ]
    )
