"""The constant predictor: the training set's mean hands on its mean cameras."""

import numpy as np
import torch
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmhand_dne.conventions import SIDES
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.geometry.ridge_camera import ridge_camera

FIELDS = (
    'hand_vertices',
    'hand_vertices_valid',
    'hand_joints',
    'hand_joints_valid',
    'hand_root_cam',
    'hand_root_valid',
    'hand_presence',
    'hand_presence_valid',
    'crop_intrinsics',
)


class MeanHands:
    """Running means of the ground truth of a split, and the prediction made of them.

    Per slot: mean root-relative vertices and joints, the camera that projects this
    mean mesh closest (least squares over all images and vertices) to the true
    projections, mean wrist position, share of images that show the hand.

    Example:
        >>> mean = MeanHands()
        >>> for sample in samples:
        ...     mean.add(sample)
        >>> sample.pred_instances = InstanceData(**mean.prediction())
    """

    def __init__(self):
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, Tensor] = {}

    def add(self, sample: PoseDataSample) -> None:
        """Count one image in.

        Args:
            sample: data sample with ``gt_instance_labels`` and ``input_size``.
        """
        labels = sample.gt_instance_labels
        gt = {name: labels[name][0].double() for name in FIELDS}
        mesh = gt['hand_vertices_valid'] > 0
        projected = mesh & (gt['hand_root_valid'] > 0)
        pixels = project_perspective(
            gt['hand_vertices'] + gt['hand_root_cam'][:, None],
            gt['crop_intrinsics'],
        )
        ndc = pixels_to_ndc(pixels, tuple(sample.metainfo['input_size']))
        self._sum('vertices', gt['hand_vertices'], mesh)
        self._sum('vertices_ndc', ndc, projected)
        self._sum('joints', gt['hand_joints'], gt['hand_joints_valid'] > 0)
        self._sum('root_cam', gt['hand_root_cam'], gt['hand_root_valid'] > 0)
        self._sum('presence', gt['hand_presence'], gt['hand_presence_valid'] > 0)

    def prediction(self) -> dict[str, np.ndarray]:
        """What to predict for every image: the fields that HandMeshMetric reads.

        A hand that the split never shows is predicted as zeros.

        Raises:
            ValueError: the split has no true mesh at all.
        """
        if not self.counts or not self.counts['vertices_ndc'].any():
            raise UserError(
                'MeanHands: no image of the training split has a true mesh with its '
                'position; check that its MANO annotation file is read'
            )
        means = {name: self._mean(name) for name in self.sums}
        fields = {
            'hand_vertices': means['vertices'],
            'hand_joints': means['joints'],
            'hand_camera': self._camera(means['vertices'], means['vertices_ndc']),
            'hand_root_cam': means['root_cam'],
            'hand_presence': means['presence'],
        }
        return {name: value[None].float().numpy() for name, value in fields.items()}

    def unseen_sides(self) -> list[str]:
        """Sides whose mesh the split never shows."""
        counts = self.counts['vertices_ndc'].flatten()
        return [side for side, n in zip(SIDES, counts, strict=True) if n == 0]

    def _sum(self, name: str, value: Tensor, valid: Tensor) -> None:
        valid = valid.reshape(*valid.shape, *[1] * (value.dim() - valid.dim()))
        self.sums[name] = self.sums.get(name, 0) + torch.where(valid, value, 0)
        self.counts[name] = self.counts.get(name, 0) + valid.long()

    @staticmethod
    def _camera(vertices: Tensor, vertices_ndc: Tensor) -> Tensor:
        """Least-squares rows (scale, shift), (S, 2, 2); zeros for an unseen hand."""
        unseen = torch.zeros(*vertices.shape[:-2], 2, 2)
        return ridge_camera(vertices, vertices_ndc, unseen, ridge=0.0)

    def _mean(self, name: str) -> Tensor:
        return self.sums[name] / self.counts[name].clamp(min=1)
