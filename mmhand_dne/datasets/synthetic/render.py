"""The image of a moment in one camera."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.geometry.camera import project_pinhole
from mmhand_dne.geometry.rasterize import Fragments, front_facing, rasterize

from .camera_rig import RigCamera
from .hand_body import Body, Light

SUPERSAMPLE = 2  # sub-pixels per side
WRAP = 0.25  # how far light creeps round the terminator: skin scatters it


class Layer(NamedTuple):
    """A part of an image, premultiplied with its coverage."""

    left: int
    top: int
    color: np.ndarray  # (h, w, 3) float32 sRGB, times alpha
    alpha: np.ndarray  # (h, w, 1) float32


def draw_body(body: Body, camera: RigCamera, light: Light) -> Layer:
    """Rasterise and shade the hands, anti-aliased, only where they are."""
    rotation = torch.from_numpy(camera.rotation).float()
    position = torch.from_numpy(camera.position / MILLIMETRES).float()
    points = (body.vertices - position) @ rotation.T
    focal = torch.from_numpy(camera.focal).float()
    centre = torch.from_numpy(camera.centre).float()
    pixels = project_pinhole(points, focal, centre)
    left, top, right, bottom = _region(pixels, camera.size)
    # Sub-pixel centres of pixel u lie at u +- 1/4.
    origin = torch.tensor([left, top], dtype=torch.float32)
    pixels = (pixels - origin) * SUPERSAMPLE + (SUPERSAMPLE - 1) / 2
    size = (SUPERSAMPLE * (bottom - top), SUPERSAMPLE * (right - left))
    screen = torch.cat([pixels, points[:, 2:]], dim=1)[None]
    fragments = rasterize(screen, body.faces, size, front_facing(screen, body.faces))
    paint = _vertex_paint(body, camera, light)
    return _reduced(left, top, _painted(fragments, body, paint))


def _region(pixels: Tensor, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the image that a body can cover: left, top, right, bottom."""
    low = pixels.amin(0).floor().long().tolist()
    high = pixels.amax(0).ceil().long().tolist()
    left, top = (min(max(low[i] - 1, 0), size[i] - 1) for i in range(2))
    right, bottom = (max(min(high[i] + 2, size[i]), 1) for i in range(2))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _painted(fragments: Fragments, body: Body, paint: Tensor) -> np.ndarray:
    """The visible vertex colours and the coverage, (h, w, 4) float32 in [0, 1]."""
    face = fragments.face[0].flatten()
    covered = (face >= 0).nonzero().squeeze(1)
    corners = body.faces[face[covered]]  # (K, 3)
    weights = fragments.barycentric[0].flatten(0, 1)[covered]
    color = sum(paint[corners[:, i]] * weights[:, i : i + 1] for i in range(3))
    image = np.zeros((len(face), 4), np.float32)
    image[covered.numpy(), :3] = color.clamp(0, 1).sqrt().numpy()
    image[covered.numpy(), 3] = 1
    return image.reshape(*fragments.face.shape[1:], 4)


def _vertex_paint(body: Body, camera: RigCamera, light: Light) -> Tensor:
    """Linear colour (N, 3) of the lit vertices: they lie closer together than the
    shading varies, so light is computed there and not at every sub-pixel.

    Wrapped diffuse light, a sky and a soft highlight.
    """
    position, normal, albedo = (
        value.numpy() for value in (body.vertices, body.normals, body.colors)
    )
    key, sky = body.light.numpy().T[..., None]
    to_light = light.direction.astype(np.float32)
    diffuse = ((normal @ to_light[:, None] + WRAP) / (1 + WRAP)).clip(0)
    view = (camera.position / MILLIMETRES).astype(np.float32) - position
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    half = view + to_light
    half /= np.linalg.norm(half, axis=1, keepdims=True).clip(1e-6)
    sparkle = (normal * half).sum(1, keepdims=True).clip(0) ** light.hardness
    dome = 0.75 + 0.25 * normal @ light.up.astype(np.float32)[:, None]
    lit = diffuse * key * light.key.astype(np.float32)
    lit = lit + dome * (0.25 + 0.75 * sky) * light.ambient.astype(np.float32)
    shine = sparkle * key * light.gloss * light.key.astype(np.float32) * 0.3
    return torch.from_numpy((albedo * lit + shine).astype(np.float32))


def _reduced(left: int, top: int, image: np.ndarray) -> Layer:
    height, width = (side // SUPERSAMPLE for side in image.shape[:2])
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return Layer(left, top, image[..., :3], image[..., 3:])


def compose(backdrop: np.ndarray, layer: Layer) -> np.ndarray:
    """Lay the body over a backdrop (H, W, 3), in place."""
    height, width = layer.alpha.shape[:2]
    window = backdrop[layer.top : layer.top + height, layer.left : layer.left + width]
    window *= 1 - layer.alpha
    window += layer.color
    return backdrop
