"""The five target maps, rasterised from the true meshes on their device (DNE Eq. 9)."""
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.geometry.camera import ndc_to_pixels, pixels_to_ndc
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.rasterize import interpolate, rasterize
from mmhand_dne.hand_model import HandPair, part_labels, rest_coordinates
from mmhand_dne.structures.hand_targets import HandTargets

BACKGROUND = 16  # the label after MANO's 16 parts


class MapTargets(NamedTuple):
    depth: Tensor
    normal: Tensor
    heatmaps: Tensor
    heatmaps_valid: Tensor
    correspondence: Tensor
    parts: Tensor
    foreground: Tensor
    maps_valid: Tensor
    parts_valid: Tensor


def map_targets(targets: HandTargets, pair: HandPair, size, sigma: float = 2.0):
    h, w = size
    verts = targets.vertices
    b, hands, v = verts.shape[:3]
    faces = torch.cat([pair.faces[0], pair.faces[1] + v])
    pix = ndc_to_pixels(targets.vertices_ndc, (w, h))
    pts = torch.cat([pix, targets.vertices_cam[..., 2:]], -1).flatten(1, 2)
    valid = targets.vertices_valid.bool().repeat_interleave(pair.faces.shape[1], 1)
    fr = rasterize(pts, faces, (h, w), valid)
    rel = verts[..., 2:].flatten(1, 2)
    normals = torch.stack([vertex_normals(verts[:, i], pair.faces[i]) for i in range(2)], 1).flatten(1, 2)
    rest = rest_coordinates(pair).to(verts).flatten(0, 1).expand(b, -1, -1)
    attr = interpolate(fr, faces, torch.cat([rel, normals, rest], -1)).permute(0, 3, 1, 2)
    nearest = fr.barycentric.argmax(-1, keepdim=True)
    face = fr.face.clamp(min=0)
    vertex = faces[face].gather(-1, nearest)[..., 0]
    labels = torch.cat([part_labels(pair.right), part_labels(pair.left)]).to(vertex.device)
    part = labels[vertex]
    seen = fr.face >= 0
    hand = (vertex >= v).long()
    parts = torch.stack([torch.where(seen & (hand == i), part, torch.full_like(part, BACKGROUND)) for i in range(2)], 1)
    j = ndc_to_pixels(targets.joints_ndc, (w, h)).flatten(1, 2)
    gx = torch.arange(w, device=j.device) ; gy = torch.arange(h, device=j.device)
    ex = torch.exp(-(gx - j[..., :1]) ** 2 / (2 * sigma ** 2))
    ey = torch.exp(-(gy - j[..., 1:]) ** 2 / (2 * sigma ** 2))
    heat = ey[..., :, None] * ex[..., None, :]
    present = targets.presence.bool() & targets.presence_valid.bool()
    has = targets.vertices_valid.bool()
    maps_valid = has.any(1) & ~(present & ~has).any(1)
    normal = torch.nn.functional.normalize(attr[:, 1:4], dim=1)
    return MapTargets(attr[:, :1], normal, heat, targets.joints_ndc_valid.flatten(1, 2), attr[:, 4:7], parts, seen[:, None], maps_valid, maps_valid[:, None].expand(-1, 2).float())
