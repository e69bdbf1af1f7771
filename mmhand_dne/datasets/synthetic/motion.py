"""A hand that moves smoothly before one camera: frames with their ground truth."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.rendered_recipe import Recipe

from .backdrop import expose, make_backdrop
from .camera_rig import RigCamera, make_rig
from .hand_body import build_body, sample_light
from .hand_models import Hand, HandModels
from .render import compose, draw_body
from .scene import sample_moment

KEY_SECONDS = 1.0  # between two random poses
PASS_SECONDS = 0.8  # that something in front needs to cross the hand
PASS_EVERY = 2.0  # seconds from one passing thing to the next
THING = 0.3  # radius of a passing thing, in sides of the hand's box
FRAME_NOISE = 0.01  # of the sensor, beside the fixed pattern of a sequence
SPLIT = 'motion'  # names the random numbers: no split of a data set has them


class MotionFrame(NamedTuple):
    """One frame and its ground truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        hand: parameters and vertices in world metres.
        vertices_cam: (V, 3) metres from the camera, camera axes.
        joints_cam: (21, 3) likewise, OpenPose order, InterHand2.6M's finger tips.
        intrinsics: (3, 3) pixels.
        box: (4,) x0, y0, x1, y1 pixels, tight about the joints.
        hidden: whether something passes in front.
    """

    image: np.ndarray
    hand: Hand
    vertices_cam: np.ndarray
    joints_cam: np.ndarray
    intrinsics: np.ndarray
    box: np.ndarray
    hidden: bool


def sample_motion(
    recipe: Recipe, models: HandModels, side: str, clip: int, frames: int, fps: float
) -> list[Hand]:
    """Poses of the data sets, joined by splines with continuous acceleration.

    Every KEY_SECONDS the hand passes through a random pose of :func:`sample_moment`;
    between them, each joint follows a rotation spline and the hand's translation a
    cubic one.

    Args:
        side: 'right' or 'left'.
        clip: number of the sequence; each has its person, camera and light.
    """
    count = int(np.ceil((frames - 1) / fps / KEY_SECONDS)) + 3
    keys = _sample_keys(recipe, models, side, clip, count)
    mean = np.asarray(models.layers[side].hands_mean.cpu(), np.float64)
    mean = np.concatenate([np.zeros(3), mean])
    key_times = np.arange(count) * KEY_SECONDS
    times = KEY_SECONDS + np.arange(frames) / fps  # the splines' ends are less smooth
    rotvecs = np.stack([key.pose + mean for key in keys]).reshape(count, -1, 3)
    poses = _between(key_times, rotvecs, times).reshape(frames, -1) - mean
    translations = CubicSpline(key_times, [key.translation for key in keys])(times)
    return [
        models.make(side, pose, keys[0].shape, translation)
        for pose, translation in zip(poses, translations)
    ]


def _sample_keys(
    recipe: Recipe, models: HandModels, side: str, clip: int, count: int
) -> list[Hand]:
    """The first hands of a side in the clip's moments."""
    keys, moment = [], 0
    while len(keys) < count:
        hands = sample_moment(recipe, models, SPLIT, clip, moment)
        keys += [hand for hand in hands if hand.side == side][:1]
        moment += 1
    return keys


def _between(
    key_times: np.ndarray, rotvecs: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Axis-angle vectors (T, J, 3) on splines through those (K, J, 3) at key times."""
    splines = [
        RotationSpline(key_times, Rotation.from_rotvec(rotvecs[:, joint]))
        for joint in range(rotvecs.shape[1])
    ]
    return np.stack([spline(times).as_rotvec() for spline in splines], 1)


def render_motion(
    recipe: Recipe, models: HandModels, hands: list[Hand], clip: int, fps: float
) -> Iterator[MotionFrame]:
    """Frames of a fixed camera; light, background and blur stay, noise is fresh.

    With ``recipe.occlusion_share`` above 0, every PASS_EVERY seconds something crosses
    the hand from side to side.
    """
    camera = make_rig(recipe, SPLIT, clip)[0]
    light = sample_light(recipe.generator('light', SPLIT, clip))
    backdrop = make_backdrop(
        recipe.generator('backdrop', SPLIT, clip, camera.name), camera.size
    )
    for index, hand in enumerate(hands):
        body = build_body(recipe, models, [hand], light, SPLIT, clip, 0)
        image = compose(backdrop.copy(), draw_body(body, camera, light))
        vertices_cam, joints_cam = _in_camera(models, hand, camera)
        pixels = camera.to_pixels(joints_cam)
        box = tight_corners(pixels)
        hidden = False
        if recipe.occlusion_share > 0:
            hidden = _pass_in_front(recipe, image, box, clip, index / fps)
        # The same generator every time: blur and exposure belong to the camera.
        shot = expose(recipe.generator('sensor', SPLIT, clip), image, recipe, camera)
        noise = recipe.generator('noise', SPLIT, clip, index).standard_normal(
            shot.shape, np.float32
        )
        shot = (shot + 255 * FRAME_NOISE * noise).round().clip(0, 255).astype(np.uint8)
        intrinsics = np.diag([*camera.focal, 1.0])
        intrinsics[:2, 2] = camera.centre
        yield MotionFrame(shot, hand, vertices_cam, joints_cam, intrinsics, box, hidden)


def _in_camera(
    models: HandModels, hand: Hand, camera: RigCamera
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints in camera metres, float64."""
    joints = models.layers[hand.side].joints(hand.vertices[None])[0]
    return tuple(
        camera.to_camera(points.double().numpy() * MILLIMETRES) / MILLIMETRES
        for points in (hand.vertices, joints)
    )


def _pass_in_front(
    recipe: Recipe, image: np.ndarray, box: np.ndarray, clip: int, time: float
) -> bool:
    """Draw the thing that crosses the hand at this time, in place; whether one does."""
    number, since = divmod(time - PASS_EVERY / 4, PASS_EVERY)
    position = _crossing(recipe, box, clip, int(number), since / PASS_SECONDS)
    if number < 0 or position is None:
        return False
    rng = recipe.generator('thing', SPLIT, clip, int(number))
    tone, side = rng.uniform(0.05, 0.95, 3), max(box[2:] - box[:2])
    size = (2 * THING * side, 2 * THING * side * rng.uniform(0.7, 1.3))
    mask = np.zeros(image.shape[:2], np.float32)
    shape = (tuple(map(float, position)), size, rng.uniform(0, 180))
    if rng.random() < 0.5:
        cv2.ellipse(mask, shape, 1.0, -1)
    else:
        cv2.fillConvexPoly(mask, cv2.boxPoints(shape).round().astype(np.int32), 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None]
    image += mask * (tone.astype(np.float32) - image)
    return True


def _crossing(
    recipe: Recipe, box: np.ndarray, clip: int, number: int, share: float
) -> np.ndarray | None:
    """Where thing ``number`` is after this share of its way, pixels; None: gone."""
    if not 0 <= share <= 1:
        return None
    rng = recipe.generator('way', SPLIT, clip, number)
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    side = max(box[2:] - box[:2])
    aside = rng.uniform(-0.25, 0.25) * side * np.array([-way[1], way[0]])
    reach = (2 * share - 1) * (0.5 + THING) * side
    return (box[:2] + box[2:]) / 2 + aside + reach * way
