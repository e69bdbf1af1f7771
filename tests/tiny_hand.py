"""A hand pair of a dozen vertices with the interface of HandPair, for exact tests."""

from typing import NamedTuple

import torch
from torch import nn


class TinyMesh(NamedTuple):
    vertices: torch.Tensor
    joints: torch.Tensor
    root: torch.Tensor


class TinyHand(nn.Module):
    """V vertices on a sphere of 5 cm, 4 joints; rotations only rotate the whole."""

    def __init__(self, num_vertices=12, dtype=torch.float32):
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        points = torch.randn(num_vertices, 3, generator=draw)
        right = 0.05 * points / points.norm(dim=-1, keepdim=True)
        template = torch.stack([right, right * torch.tensor([-1.0, 1, 1])])
        ring = torch.arange(num_vertices)
        faces = torch.stack([ring, ring.roll(-1), ring.roll(-2)], -1)
        regressor = torch.rand(2, 4, num_vertices, generator=draw)
        regressor = regressor / regressor.sum(-1, keepdim=True)
        self.register_buffer('template', template.to(dtype), persistent=False)
        self.register_buffer(
            'faces', torch.stack([faces, faces.flip(-1)]), persistent=False
        )
        self.register_buffer('joint_regressor', regressor.to(dtype), persistent=False)
        self.register_buffer(
            'mean_rotations',
            torch.eye(3).expand(2, 16, 3, 3).to(dtype),
            persistent=False,
        )

    def regress_joints(self, vertices):
        return self.joint_regressor.to(vertices.dtype) @ vertices

    def forward(self, rotations, betas):
        vertices = self.template * (1 + 0.1 * betas[..., :1, None])
        vertices = vertices @ rotations[..., 0, :, :].mT
        joints = self.regress_joints(vertices)
        return TinyMesh(vertices, joints, torch.zeros_like(joints[..., 0, :]))
