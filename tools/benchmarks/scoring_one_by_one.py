"""The errors of one image at a time, in torch: how scoring was done before batches.

``scoring.py`` times it beside :class:`HandMeshMetric`, and its numbers have to agree.
"""

import re

import torch
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES, WRIST
from mmhand_dne.evaluation.metrics.image_results import image_name, read_field
from mmhand_dne.geometry.alignment import similarity_align
from mmhand_dne.geometry.camera import ndc_to_pixels, project, project_perspective

STAGE_FIELD = re.compile(r'(coarse|stage\d+)_vertices')
GT_SHAPES = dict(
    hand_vertices=(2, -1, 3),
    hand_vertices_valid=(2,),
    hand_joints=(2, -1, 3),
    hand_joints_valid=(2, -1),
    hand_joints_ndc=(2, -1, 2),
    hand_joints_ndc_valid=(2, -1),
    hand_root_cam=(2, 3),
    hand_root_valid=(2,),
    crop_intrinsics=(3, 3),
)


def image_errors(sample: dict) -> dict[str, float]:
    """Errors of an image, mm or crop pixels, by the metric's names."""
    image = image_name(sample)
    labels, fields = sample['gt_instance_labels'], sample['pred_instances']
    gt = {name: _read(labels, name, s, image) for name, s in GT_SHAPES.items()}
    stages = [m[1] for m in map(STAGE_FIELD.fullmatch, fields) if m]
    stages = ['hand', *stages]
    vertices, joints, cameras = (
        torch.stack([_read(fields, f'{s}_{name}', shape, image) for s in stages])
        for name, shape in dict(
            vertices=(2, -1, 3), joints=(2, -1, 3), camera=(2, 2, 2)
        ).items()
    )
    hands = {
        **_in_space(vertices, joints, gt),
        **_in_crop(vertices, joints, cameras, gt, tuple(sample['input_size'])),
    }
    prefixes = ['', *(f'{stage}/' for stage in stages[1:])]
    return {
        f'{prefix}{name}': error[i].item()
        for name, error in ((n, torch.nanmean(e, dim=-1)) for n, e in hands.items())
        for i, prefix in enumerate(prefixes)
    }


def _read(fields: dict, key: str, shape: tuple, image: str) -> Tensor:
    return read_field(fields, key, shape, image, 'one by one')


def _in_space(vertices: Tensor, joints: Tensor, gt: dict) -> dict[str, Tensor]:
    """Of each hand (S, 2), mm from the own wrist."""
    root = joints[..., WRIST : WRIST + 1, :]
    mesh_valid = gt['hand_vertices_valid'][:, None] > 0
    points = dict(
        MPJPE=(joints - root, gt['hand_joints'], gt['hand_joints_valid'] > 0),
        MPVPE=(vertices - root, gt['hand_vertices'], mesh_valid),
    )
    found = {}
    for name, (pred, true, valid) in points.items():
        pred, true = MILLIMETRES * pred, (MILLIMETRES * true).expand_as(pred)
        valid = valid.expand(pred.shape[:-1])
        found[name] = _mean_distance(pred, true, valid)
        aligned = similarity_align(pred, true, valid.double())
        error = _mean_distance(aligned, true, valid)
        found[f'PA-{name}'] = torch.where(valid.sum(-1) >= 3, error, torch.nan)
    return found


def _in_crop(
    vertices: Tensor, joints: Tensor, cameras: Tensor, gt: dict, size: tuple
) -> dict[str, Tensor]:
    """Of each hand (S, 2), crop pixels."""
    placed = gt['hand_vertices'] + gt['hand_root_cam'][:, None]
    known = (gt['hand_vertices_valid'] > 0) & (gt['hand_root_valid'] > 0)
    return dict(
        MPVPE2D=_mean_distance(
            ndc_to_pixels(project(vertices, cameras), size),
            project_perspective(placed, gt['crop_intrinsics']),
            known[:, None].expand(vertices.shape[1:3]),
        ),
        MPJPE2D=_mean_distance(
            ndc_to_pixels(project(joints, cameras), size),
            ndc_to_pixels(gt['hand_joints_ndc'], size),
            gt['hand_joints_ndc_valid'] > 0,
        ),
    )


def _mean_distance(pred: Tensor, gt: Tensor, valid: Tensor) -> Tensor:
    """(..., N, D) -> (...), NaN where no point is valid."""
    distance = torch.linalg.vector_norm(pred - gt, dim=-1)
    total = torch.where(valid, distance, 0).sum(-1)
    return total / valid.expand_as(distance).sum(-1)
