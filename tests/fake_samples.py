"""Batches of two perspective CC0 hands, without images or files."""

from functools import lru_cache

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.ground_truth_fields import HAND_LABELS

MASKS = [name for name, field in HAND_LABELS.items() if field.unit == '0 or 1']


@lru_cache
def hand_pair():
    return HandPair()


def fake_labels(batch, size, seed=0):
    """Every field of HAND_LABELS with leading dimension ``batch``, all valid."""
    draw = torch.Generator().manual_seed(seed)
    pair = hand_pair()
    rotations = pair.mean_rotations.expand(batch, 2, 16, 3, 3).clone()
    betas = 0.5 * torch.randn(batch, 2, 10, generator=draw)
    mesh = pair(rotations, betas)
    root = torch.tensor([[0.1, 0, 0.8], [-0.1, 0, 0.8]]).expand(batch, 2, 3)
    matrix = torch.tensor(
        [[2.2 * size, 0, size / 2], [0, 2.2 * size, size / 2], [0, 0, 1]]
    )
    pixels = project_perspective(mesh.joints + root[:, :, None], matrix)
    labels = {name: torch.ones(batch, 2) for name in MASKS}
    labels.update(
        hand_vertices=mesh.vertices,
        hand_joints=mesh.joints,
        hand_joints_valid=torch.ones(batch, 2, 21),
        hand_joints_ndc=pixels_to_ndc(pixels, size),
        hand_joints_ndc_valid=torch.ones(batch, 2, 21),
        hand_root_cam=root,
        mano_rotations=rotations,
        mano_betas=betas,
        crop_intrinsics=matrix.expand(batch, 3, 3),
    )
    return labels


def fake_samples(batch=2, size=64, seed=0, **overrides):
    """Data samples as PackHandInputs makes them.

    Args:
        overrides: fields of HAND_LABELS to replace, (batch, ...).
    """
    labels = {**fake_labels(batch, size, seed), **overrides}
    samples = []
    for i in range(batch):
        camera = labels['crop_intrinsics'][i].numpy()
        depth = 1000 * labels['hand_root_cam'][i, :, 2].numpy()
        sample = PoseDataSample(
            metainfo=dict(
                id=i,
                img_id=i,
                img_path=f'{i}.jpg',
                input_size=(size, size),
                crop_affine=np.eye(3)[:2],
                sample_idx=i,
                hand_type=np.ones((1, 2)),
                hand_type_valid=np.ones(1),
                abs_depth=depth,
                focal=camera[[0, 1], [0, 1]],
                principal_pt=camera[:2, 2],
                ori_shape=(size, size),
                img_shape=(size, size),
            )
        )
        sample.gt_instance_labels = InstanceData(
            **{name: value[i : i + 1].clone() for name, value in labels.items()}
        )
        samples.append(sample)
    return samples


def one_hand_samples(batch=2, size=64, seed=0, **overrides):
    """Samples of data sets that give one sample per hand: the left slot is empty."""
    labels = {**fake_labels(batch, size, seed), **overrides}
    empty = {}
    for name in HAND_LABELS:
        if name.endswith('valid') or name == 'hand_presence':
            empty[name] = labels[name].clone()
            empty[name][:, 1:] = 0
    return fake_samples(batch, size, seed, **{**labels, **empty})
