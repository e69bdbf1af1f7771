"""Cascaded dual noise estimation."""

from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import project
from mmhand_dne.hand_model import build_hand_model
from mmhand_dne.models.layers.dne_stage import DNEStage, Regressed
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.models.layers.regressed_points import RegressedPoints
from mmhand_dne.models.losses.masked_loss import masked_mean
from mmhand_dne.models.losses.mesh_losses import l1_distance
from mmhand_dne.models.losses.mesh_terms import MeshTerms
from mmhand_dne.structures.hand_state import HandState, RefinedHands
from mmhand_dne.structures.hand_targets import HandTargets


@MODELS.register_module()
class DNEHead(BaseModule):
    """Refine coarse hand meshes and cameras by M dual noise estimation stages (DNE).

    It refines *any* coarse mesh and camera given a feature map, whatever made them.

    Args:
        in_channels: C of the feature map.
        hand_model: :class:`HandPair` or its config.
        map_size: h or (h, w) of the feature map: input size / stride.
        pool: of :class:`RegressedPoints`.
        num_stages: M; the paper uses 1 and 3.
        num_samples: R, noise samples of each stage in training.
        noise_2d, noise_3d, camera, gamma, delta_2d, delta_3d, xi, num_cells, estimator,
        coordinate_inputs, embed_channels, landmark_inputs, smoothing, confidence,
        fused: see :class:`DNEStage`.
        detach_coarse: stop the stages' gradients at the coarse hands. Off in the paper.
        mesh_terms: arguments of :class:`MeshTerms`, the weights of Eq. 11.
        loss_u: weight of |u' - u*|, NDC. 0 in the paper, where phi learns only through
            camera and sampling.
        loss_regressed: weight of |u_r - u*|, NDC. 0 in the paper.

    Example:
        >>> head = DNEHead(32, dict(type='HandPair'), map_size=64, num_stages=1)
        >>> coarse = HandState(torch.rand(1, 2, 778, 3) * 0.1,
        ...     torch.rand(1, 2, 21, 3), torch.zeros(1, 2, 3), torch.ones(1, 2, 2, 2))
        >>> head.eval()(torch.rand(1, 32, 64, 64), coarse)[-1].state.vertices.shape
        torch.Size([1, 2, 778, 3])
    """

    def __init__(
        self,
        in_channels: int,
        hand_model: dict | nn.Module,
        map_size: int | tuple[int, int] = 64,
        pool: int = 1,
        num_stages: int = 3,
        num_samples: int = 4,
        noise_2d: bool = True,
        detach_coarse: bool = False,
        mesh_terms: dict | None = None,
        loss_u: float = 0.0,
        loss_regressed: float = 0.0,
        init_cfg: dict | None = None,
        **stage: Any,
    ) -> None:
        super().__init__(init_cfg)
        if num_stages < 1 or num_samples < 1:
            raise UserError(
                f'DNEHead: num_stages={num_stages}, num_samples={num_samples}; both '
                'are at least 1; leave refine_head out for the baseline (M=0)'
            )
        self.hand_model = build_hand_model(hand_model)
        self.num_samples, self.detach_coarse = num_samples, detach_coarse
        self.fused = stage.get('fused', False)
        if noise_2d:
            size = (map_size, map_size) if isinstance(map_size, int) else map_size
            self.regress_points = RegressedPoints(
                in_channels, size, self.hand_model, pool=pool
            )
        elif loss_u or loss_regressed:
            raise UserError(
                'DNEHead: loss_u and loss_regressed supervise the 2D noise; set both '
                'to 0 with noise_2d=False'
            )
        self.stages = nn.ModuleList(
            DNEStage(in_channels, self.hand_model, noise_2d=noise_2d, **stage)
            for _ in range(num_stages)
        )
        self.ranks = any(list(stage.confidence.parameters()) for stage in self.stages)
        if self.ranks and num_samples < 2:
            raise UserError(
                f'DNEHead: num_samples={num_samples} leaves its confidence nothing to '
                'rank; set refine_head.num_samples to 2 or more'
            )
        self.mesh_terms = MeshTerms(**(mesh_terms or {}))
        self.loss_u, self.loss_regressed = loss_u, loss_regressed

    def forward(
        self,
        features: Tensor,
        coarse: HandState,
        keys: np.ndarray | None = None,
        landmarks: Tensor | None = None,
    ) -> list[RefinedHands]:
        """Refine, one result per stage.

        Args:
            features: (B, C, h, w) F.
            coarse: meshes and cameras to refine.
            keys: (B,) int64 of the images' training draws; None draws from torch's
                generator. Unused in evaluation, where noise is its mean.
            landmarks: (B, S, 21, 2) crop NDC; only ``landmark_inputs`` needs them.
        """
        if self.detach_coarse:
            coarse = HandState(*(tensor.detach() for tensor in coarse))
        features = self.stages[0].ready(features)
        regressed = None
        if hasattr(self, 'regress_points'):
            regressed = Regressed(*self.regress_points(features))
        refined, state = [], coarse
        shared = NoiseDraws(self.num_samples, keys, len(self.stages), self.fused)
        for number, stage in enumerate(self.stages):
            draws = shared.of_stage(number) if self.training else None
            refined.append(stage(features, state, regressed, draws, landmarks))
            state = refined[-1].state
        return refined

    def loss(
        self, refined: list[RefinedHands], targets: HandTargets
    ) -> dict[str, Tensor]:
        """Eq. 11 of every stage, the optional terms on u' and u_r, and what a learned
        confidence is trained with.
        """
        losses = {}
        parts = zip(self.stages, refined)
        for number, (part, stage) in enumerate(parts, start=1):
            joints = self.hand_model.regress_joints(
                stage.sample_vertices.flatten(0, 1)
            ).unflatten(0, stage.sample_vertices.shape[:2])
            terms = self.mesh_terms(
                stage.sample_vertices,
                project(stage.sample_vertices, stage.sample_cameras),
                joints,
                project(joints, stage.sample_cameras),
                targets,
            )
            losses.update({f'stage{number}.{k}': v for k, v in terms.items()})
            if self.ranks:
                losses[f'stage{number}.loss_confidence'] = part.confidence.loss(
                    stage.confidence,
                    self.sample_errors(stage, targets),
                    targets.vertices_valid,
                )
            if self.loss_u:
                losses[f'stage{number}.loss_u'] = self.loss_u * self.points_error(
                    stage.sample_points_ndc, targets
                )
        if self.loss_regressed:
            losses['loss_regressed'] = self.loss_regressed * self.points_error(
                refined[0].regressed_ndc[:, None], targets
            )
        return losses

    @staticmethod
    @torch.no_grad()
    def sample_errors(stage: RefinedHands, targets: HandTargets) -> Tensor:
        """Mean distance of each sample's vertices to the true ones, (B, R, S) metres;
        of hands without a true mesh it means nothing.
        """
        gt = targets.vertices[:, None].to(stage.sample_vertices.dtype)
        return (stage.sample_vertices - gt).norm(dim=-1).mean(-1)

    @staticmethod
    def points_error(points: Tensor, targets: HandTargets) -> Tensor:
        """Mean L1 of (B, R, S, V, 2) points to the true projections, NDC."""
        gt = targets.vertices_ndc[:, None].to(points.dtype).expand_as(points)
        return masked_mean(l1_distance(points, gt).mean(1), targets.vertices_valid)
