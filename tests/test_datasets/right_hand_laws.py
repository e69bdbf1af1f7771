"""What holds for every sample of a right hand, whatever data set it is from."""

import functools

import numpy as np
import torch

from mmhand_dne.datasets.transforms import RandomMeshFlip
from mmhand_dne.geometry.camera import ndc_to_pixels
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.hand_targets import HandTargets

TENTH_MM, TENTH_PIXEL = 1e-4, 0.1
AUGMENTED = [
    dict(type='LoadHandImage'),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(type='MeshCrop', input_size=256, padding=1.5, shift=10, rotation=90),
    dict(type='PackHandInputs'),
]


def image_pixels(sample, ndc) -> np.ndarray:
    """Crop NDC (N, 2) to pixels of the image on disk."""
    crop = ndc_to_pixels(ndc, sample.input_size).double().numpy()
    affine = np.asarray(sample.crop_affine)
    pixels = (crop - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    if sample.flip:
        pixels[:, 0] = sample.ori_shape[1] - 1 - pixels[:, 0]
    return pixels


def check_pixels(sample, hand) -> None:
    """Joints and mesh of a packed sample land where the picture shows them."""
    gt, slot = HandTargets.from_samples([sample]), int(sample.flip)
    assert gt.joints_ndc_valid[0, slot].all()
    joints = image_pixels(sample, gt.joints_ndc[0, slot])
    assert np.abs(joints - hand['pixels']).max() < TENTH_PIXEL
    assert gt.vertices_valid[0].tolist() == [1 - slot, slot]
    mesh = hand['vertices'] @ hand['K'].T
    vertices = image_pixels(sample, gt.vertices_ndc[0, slot])
    assert np.abs(vertices - mesh[:, :2] / mesh[:, 2:]).max() < TENTH_PIXEL


def check_other_slot(sample) -> None:
    """Nothing is known of the other hand, not even that it is absent."""
    gt, other = HandTargets.from_samples([sample]), 1 - int(sample.flip)
    for name in (
        'vertices_valid',
        'joints_valid',
        'joints_ndc_valid',
        'root_valid',
        'mano_valid',
        'presence',
        'presence_valid',
    ):
        assert not getattr(gt, name)[0, other].any(), name
    assert gt.presence[0, 1 - other] == gt.presence_valid[0, 1 - other] == 1


@functools.cache
def hand_pair() -> HandPair:
    return HandPair(tips='freihand')


def regenerate(info) -> np.ndarray:
    """The mesh of each hand with MANO from its parameters, relative to the wrist."""
    mesh = hand_pair()(
        torch.tensor(info['mano_rotations']).float()[None],
        torch.tensor(info['mano_betas']).float()[None],
    )
    return mesh.vertices[0].detach().numpy()


def check_parameters(info, slot) -> None:
    assert info['mano_valid'][slot] and not info['mano_valid'][1 - slot]
    error = regenerate(info)[slot] - info['mesh_vertices'][slot]
    assert np.abs(error).max() < TENTH_MM


def flipped(info) -> dict:
    """Mirrored as in training; the picture does not matter here."""
    info = dict(info, img=np.zeros((info['height'], info['width'], 3), np.uint8))
    return RandomMeshFlip(prob=1.0).transform(info)
