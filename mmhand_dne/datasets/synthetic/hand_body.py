"""From hand meshes to what is drawn: closed surface, colours, light per vertex."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.rasterize import front_facing, rasterize
from mmhand_dne.rendered_recipe import Recipe

from .arms import Clothing, make_arm, sample_clothing
from .camera_rig import make_rig
from .grasps import Thing
from .hand_models import Hand, HandModels

RINGS = 4  # of the forearm that closes the wrist
# Skin in sRGB, light to dark; a person is a random blend of two neighbours.
SKIN_TONES = (
    np.array(
        [
            [244, 208, 182],
            [232, 184, 150],
            [214, 162, 124],
            [186, 130, 92],
            [142, 94, 64],
            [100, 66, 46],
            [68, 46, 36],
        ],
        np.float32,
    )
    / 255
)
SKY_DIRECTIONS = 8  # for ambient occlusion
SHADOW_MAP = 72  # pixels; about 4 mm
SHADOW_BIAS = 0.006  # metres; below it a surface would shadow itself


class Light(NamedTuple):
    """The light of a moment; directions point towards the light, world axes."""

    direction: np.ndarray  # (3,)
    key: np.ndarray  # (3,) linear RGB
    ambient: np.ndarray  # (3,) linear RGB
    up: np.ndarray  # (3,) where the ambient light is strongest
    gloss: float  # strength of the highlight
    hardness: float  # its exponent


class Body(NamedTuple):
    """Everything opaque of a moment, N vertices."""

    vertices: Tensor  # (N, 3) metres, world
    faces: Tensor  # (F, 3) int64, wound outward
    normals: Tensor  # (N, 3) world
    colors: Tensor  # (N, 3) linear RGB
    light: Tensor  # (N, 2) share of the key light and of the sky that arrives


class Paint(NamedTuple):
    """Colours of a person, sRGB."""

    tone: np.ndarray  # (3,)
    skin: np.ndarray  # (V, 3) of a hand's vertices
    sleeve: np.ndarray | None  # (3,) of a short forearm


def sample_light(rng: np.random.Generator) -> Light:
    """A soft directional light from the side of the cameras, and a sky."""
    direction = rng.normal(0, 1, 3) + np.array([0, -0.8, -1.2])
    up = rng.normal(0, 0.6, 3) + np.array([0, -1, 0])
    warmth = rng.uniform(-0.15, 0.15)
    tint = np.array([1 + warmth, 1, 1 - warmth])
    key = rng.uniform(0.5, 1.1)
    ambient = rng.uniform(0.3, 0.8) * (1.3 - key / 2)
    sky = 1 + rng.uniform(-0.08, 0.08, 3)
    return Light(
        direction / np.linalg.norm(direction),
        key * tint,
        ambient * sky,
        up / np.linalg.norm(up),
        rng.uniform(0, 0.35),
        rng.uniform(8, 40),
    )


def build_body(
    recipe: Recipe,
    models: HandModels,
    hands: list[Hand],
    light: Light,
    split: str,
    capture: int,
    moment: int,
    things: Sequence[Thing] = (),
) -> Body:
    """Close the hands with forearms, colour them and compute their shadows.

    ``things`` are drawn with the hands: they cover and shade each other.
    """
    person = recipe.generator(split, 'skin', capture)
    rng = recipe.generator(split, 'body', capture, moment)
    paint = _skin_paint(person, models)
    extra = recipe.generator(split, 'arm', capture, moment)
    clothing = None
    if extra.random() < recipe.arm_share:
        clothing = sample_clothing(recipe.generator(split, 'clothing', capture))
        rig = make_rig(recipe, split, capture)
        viewers = np.stack([camera.position for camera in rig]) / MILLIMETRES
    parts, start, core = [], 0, []
    for hand in hands:
        if clothing is None:
            part = _with_stump(rng, models, hand, paint)
        else:
            part = _with_arm(extra, models, hand, paint, clothing, viewers)
        parts.append(part._replace(faces=part.faces + start))
        # Shadows need sharpness about the hands only.
        near = len(hand.vertices) if clothing else len(part.vertices)
        core.append(start + torch.arange(near))
        start += len(part.vertices)
    for thing in things:
        parts.append(thing._replace(faces=thing.faces + start))
        start += len(thing.vertices)
    vertices, faces, colors = (torch.cat(part) for part in zip(*parts))
    normals = vertex_normals(vertices, faces)
    arrives = _arriving_light(vertices, faces, normals, light, torch.cat(core))
    return Body(vertices, faces, normals, colors, arrives)


def _with_stump(
    rng: np.random.Generator, models: HandModels, hand: Hand, paint: Paint
) -> Thing:
    """A hand closed by a short forearm."""
    vertices = torch.cat([hand.vertices, _forearm(rng, models, hand)])
    loop = models.extras[hand.side]['wrist_loop']
    arm = np.tile(paint.skin[loop].mean(0), (RINGS * len(loop) + 1, 1))
    if paint.sleeve is not None:
        arm[len(loop) :] = paint.sleeve
    colors = _linear(np.concatenate([paint.skin, arm]))
    return Thing(vertices, closed_faces(models, hand.side), colors)


def _with_arm(
    rng: np.random.Generator,
    models: HandModels,
    hand: Hand,
    paint: Paint,
    clothing: Clothing,
    viewers: np.ndarray,
) -> Thing:
    """A hand with a long forearm."""
    loop = models.extras[hand.side]['wrist_loop']
    skin = paint.skin[loop]
    arm = make_arm(rng, models, hand, clothing, skin, paint.tone, viewers)
    vertices = torch.cat([hand.vertices, arm.vertices])
    colors = _linear(np.concatenate([paint.skin, arm.colors]))
    return Thing(vertices, closed_faces(models, hand.side, arm.rings), colors)


def _linear(color: np.ndarray) -> Tensor:
    return torch.from_numpy(color.clip(0, 1).astype(np.float32) ** 2)


def closed_faces(models: HandModels, side: str, count_rings: int = RINGS) -> Tensor:
    """Faces of the hand with its forearm: a closed surface, wound outward.

    Returns: (F, 3) int64 over the hand's vertices, ``count_rings`` rings of the wrist
        loop's length and one vertex at the end.
    """
    hand = models.layers[side].faces
    loop = _wrist_loop(models, side)
    count = len(loop)
    first = len(models.layers[side].v_template)
    rings = [loop] + [
        first + ring * count + torch.arange(count) for ring in range(count_rings)
    ]
    tube = []
    for near, far in zip(rings[:-1], rings[1:]):
        after = near.roll(-1)
        tube += [
            torch.stack([after, near, far], 1),
            torch.stack([after, far, far.roll(-1)], 1),
        ]
    last = rings[-1]
    end = torch.full_like(last, first + count_rings * count)
    return torch.cat([hand, *tube, torch.stack([last.roll(-1), last, end], 1)])


def _wrist_loop(models: HandModels, side: str) -> Tensor:
    """The open wrist's vertices, in the direction of the faces' own edges."""
    return torch.from_numpy(models.extras[side]['wrist_loop'].astype(np.int64))


def _forearm(rng: np.random.Generator, models: HandModels, hand: Hand) -> Tensor:
    """Vertices of a short forearm, (RINGS * loop + 1, 3), bent at the wrist."""
    loop = hand.vertices[_wrist_loop(models, hand.side)]
    centre = loop.mean(0)
    along = torch.nn.functional.normalize(centre - hand.vertices.mean(0), dim=0)
    bend = torch.from_numpy(rng.normal(0, 0.25, 3)).float()
    length, growth = rng.uniform(0.05, 0.16), rng.uniform(1.0, 1.25)
    rings = []
    for step in range(1, RINGS + 1):
        share = step / RINGS
        way = torch.nn.functional.normalize(along + bend * share, dim=0)
        middle = centre + length * share * way
        rings.append(middle + (loop - centre) * (1 + (growth - 1) * share))
    return torch.cat([*rings, middle[None]])


def sample_tone(rng: np.random.Generator) -> np.ndarray:
    """The skin colour (3,) of a person, sRGB."""
    position = rng.uniform(0, len(SKIN_TONES) - 1)
    index = min(int(position), len(SKIN_TONES) - 2)
    tone = SKIN_TONES[index : index + 2]
    tone = tone[0] + (tone[1] - tone[0]) * (position - index)
    return (tone * rng.normal(1, 0.04, 3)).clip(0.05, 1)


def _skin_paint(rng: np.random.Generator, models: HandModels) -> Paint:
    """The colours of one person."""
    tone = sample_tone(rng)
    sleeve = rng.uniform(0.02, 0.9, 3) if rng.random() < 0.5 else None
    data = models.extras['right']
    painted = np.asarray(data['color'], np.float32) / 255
    skin = np.median(painted, axis=0)
    rest = np.asarray(data['v_template'], np.float32)
    color = tone * (painted / skin) ** rng.uniform(0.8, 1.3)
    color *= _blotches(rng, rest, 0.02)
    # The palm keeps little pigment: it differs most on dark hands.
    faces = models.layers['right'].faces
    palm = -vertex_normals(torch.from_numpy(rest), faces)[:, 1:2].numpy()
    paler = np.clip(palm, 0, 1) * (1 - tone.mean()) * 0.5
    color = color + paler * (tone * 0.4 + np.array([0.36, 0.24, 0.18]) - color)
    return Paint(tone, color, sleeve)


def _blotches(
    rng: np.random.Generator, points: np.ndarray, strength: float
) -> np.ndarray:
    """A smooth random factor (N, 3) about 1 over the surface."""
    waves = rng.normal(0, 150, (6, 3))  # radians per metre
    phase = rng.uniform(0, 2 * np.pi, 6)
    weights = rng.normal(0, strength, (6, 3)) * np.array([0.6, 1.0, 1.0])
    return 1 + np.sin(points @ waves.T + phase) @ weights


def _arriving_light(
    vertices: Tensor, faces: Tensor, normals: Tensor, light: Light, core: Tensor
) -> Tensor:
    """How much key light and sky reach each vertex, (N, 2) in [0, 1].

    One depth map from the light and from a few directions of the sky, all in
    one batch: what lies behind the map is in shadow.
    """
    step = np.arange(SKY_DIRECTIONS) + 0.5
    height = 1 - 2 * step / SKY_DIRECTIONS
    around = np.pi * (1 + 5**0.5) * step
    ring = np.sqrt(1 - height**2)
    sky = np.stack([ring * np.cos(around), ring * np.sin(around), height], 1)
    towards = torch.from_numpy(np.concatenate([light.direction[None], sky])).float()
    seen = _seen_from(vertices, faces, towards, core)  # (1 + S, N)
    facing = (normals @ towards.T).clamp(min=0).T
    open_sky = (seen * facing)[1:].sum(0) / facing[1:].sum(0).clamp(min=1e-6)
    return torch.stack([seen[0], open_sky], dim=1)


def _seen_from(
    vertices: Tensor, faces: Tensor, towards: Tensor, core: Tensor
) -> Tensor:
    """Which vertices parallel light reaches, (L, N) 0 or 1; towards (L, 3)."""
    helper = torch.eye(3)[towards.abs().argmin(dim=1)]
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, towards), dim=1)
    down = torch.linalg.cross(right, towards)
    axes = torch.stack([right, down, -towards], dim=1)
    points = (vertices - vertices.mean(0)) @ axes.transpose(1, 2)
    low = points[:, core, :2].amin(dim=1, keepdim=True)
    extent = (points[:, core, :2].amax(dim=1, keepdim=True) - low).amax()
    pixels = (points[..., :2] - low) / extent * (SHADOW_MAP - 1)
    points = torch.cat([pixels, points[..., 2:]], dim=-1)
    # Back faces cast the shadow: front faces would shade themselves.
    behind = ~front_facing(points, faces)
    fragments = rasterize(
        points, faces, (SHADOW_MAP, SHADOW_MAP), behind, perspective=False
    )
    depth = fragments.depth.masked_fill(fragments.face < 0, float('inf'))
    index = pixels.round().long().clamp(0, SHADOW_MAP - 1)
    nearest = depth.flatten(1).gather(1, index[..., 1] * SHADOW_MAP + index[..., 0])
    beyond = ((pixels < -0.5) | (pixels > SHADOW_MAP - 0.5)).any(-1)
    return (beyond | (points[..., 2] <= nearest + SHADOW_BIAS)).float()
