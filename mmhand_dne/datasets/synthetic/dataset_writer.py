"""Rendered moments as files: the layout of InterHand2.6M v1.0."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import (
    INTERHAND_JOINTS,
    MILLIMETRES,
    OPENPOSE_JOINTS,
    SIDES,
    reorder,
)
from mmhand_dne.datasets.readers.interhand_table import KINDS
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.rendered_recipe import Recipe

from .backdrop import add_occluders, blurred, encode, expose, make_backdrop
from .camera_rig import RigCamera, make_rig
from .hand_body import build_body, sample_light, sample_tone
from .hand_models import Hand, HandModels
from .photo_look import expose_photo, in_scenery, sample_photo_light
from .render import compose, draw_body
from .scene import hand_type, sample_scene

PLACEHOLDER = [1.0, 1.0, 1.0]  # InterHand2.6M's coordinates of a missing joint
BOX_SCALE = 1.2  # of InterHand2.6M's boxes about the tight box of the joints
SEQUENCES = {
    'right': '0000_right',
    'left': '0001_left',
    'interacting': '0002_interacting',
}
FIRST_FRAME, FRAME_STEP = 1000, 6


class RenderedFrame(NamedTuple):
    """One moment to render, seen by the first ``views`` cameras of its rig."""

    split: str
    capture: int
    moment: int
    views: int
    first_id: int  # image id of the first view

    @property
    def number(self) -> int:
        return FIRST_FRAME + FRAME_STEP * self.moment

    def record(self, root: Path) -> Path:
        """The file that says that all the frame's images are there."""
        return (
            root
            / '.rendering'
            / self.split
            / f'{self.capture:06d}_{self.moment:04d}.json'
        )


def plan_frames(recipe: Recipe, split: str, count: int) -> list[RenderedFrame]:
    """The moments of a split of ``count`` images."""
    frames = []
    for first in range(0, count, recipe.cameras):
        capture, moment = divmod(first // recipe.cameras, recipe.moments)
        views = min(recipe.cameras, count - first)
        frames.append(RenderedFrame(split, capture, moment, views, first))
    return frames


def annotation_file(root: Path, split: str, kind: str) -> Path:
    """Where InterHand2.6M keeps the ``data``, ``camera``, ... file of a split."""
    return root / 'annotations' / split / f'InterHand2.6M_{split}_{kind}.json'


def write_frame(
    root: Path, recipe: Recipe, models: HandModels, frame: RenderedFrame
) -> None:
    """Render one moment; its record is written last."""
    key = (frame.split, frame.capture, frame.moment)
    hands, things = sample_scene(recipe, models, *key)
    natural = recipe.generator('natural', *key)
    light = sample_light(recipe.generator('light', *key))
    if natural.random() < recipe.natural_share:
        light = sample_photo_light(natural)
    body = build_body(recipe, models, hands, light, *key, things)
    joints, valid = _world_joints(models, hands)
    views = []
    for index, camera in enumerate(
        make_rig(recipe, frame.split, frame.capture)[: frame.views]
    ):
        rng = recipe.generator('image', *key, camera.name)
        view = _describe_view(frame, index, camera, hands, joints, valid)
        photo = recipe.generator('photo', *key, camera.name)
        casual = photo.random() < recipe.natural_share
        layer = draw_body(body, camera, light)
        if casual:
            tone = sample_tone(recipe.generator(frame.split, 'skin', frame.capture))
            image = in_scenery(photo, layer, camera.size, tone)
        else:
            image = compose(make_backdrop(rng, camera.size), layer)
        hard = ['held'] if things else []
        if rng.random() < recipe.occlusion_share:
            hard.append('occluded')
            pixels = camera.to_pixels(camera.to_camera(joints[valid]))
            add_occluders(rng, image, pixels, max(view['annotation']['bbox'][2:]))
        if casual:
            image = expose_photo(photo, image, camera.monochrome)
        else:
            image = expose(rng, image, recipe, camera)
        blur = recipe.generator('blur', *key, camera.name)
        if blur.random() < recipe.blur_share:
            hard.append('blurred')
            image = blurred(blur, image)
        if recipe.tagged:
            view['annotation']['hard'] = hard
        path = root / 'images' / frame.split / view['image']['file_name']
        write_whole(path, encode(rng, image))
        views.append(view)
    record = dict(
        views=views, joint_3d=_joint_3d(hands, joints, valid), mano=_mano(hands)
    )
    write_whole(frame.record(root), json.dumps(record).encode())


def merge_annotations(root: Path, recipe: Recipe, frames: list[RenderedFrame]) -> None:
    """Turn the records of a split's frames into its four annotation files."""
    data = dict(images=[], annotations=[])
    cameras, joints, manos = {}, {}, {}
    for frame in frames:
        record = json.loads(frame.record(root).read_bytes())
        for view in record['views']:
            data['images'].append(view['image'])
            data['annotations'].append(view['annotation'])
        capture, number = str(frame.capture), str(frame.number)
        joints.setdefault(capture, {})[number] = record['joint_3d']
        manos.setdefault(capture, {})[number] = record['mano']
        if capture not in cameras:
            cameras[capture] = _cameras(make_rig(recipe, frame.split, frame.capture))
    split = frames[0].split
    # The data file comes last: where it is, the split is complete.
    for kind, content in zip(KINDS[::-1], (manos, joints, cameras, data)):
        write_whole(annotation_file(root, split, kind), json.dumps(content).encode())


def write_legends(root: Path, captures: int) -> None:
    """skeleton.txt (name, index, parent) and subject.txt of the layout."""
    lines = []
    for start, side in ((0, 'r'), (21, 'l')):
        for index, joint in enumerate(INTERHAND_JOINTS):
            parent = 20 if joint.endswith('1') else index + 1
            parent = -1 if joint == 'wrist' else start + parent
            lines.append(f'{side}_{joint} {start + index} {parent}')
    write_whole(
        root / 'annotations' / 'skeleton.txt', ('\n'.join(lines) + '\n').encode()
    )
    subjects = [f'{k} Capture{k} none' for k in range(captures)]
    write_whole(
        root / 'annotations' / 'subject.txt', ('\n'.join(subjects) + '\n').encode()
    )


def _world_joints(
    models: HandModels, hands: list[Hand]
) -> tuple[np.ndarray, np.ndarray]:
    """Joints (42, 3) in world millimetres, InterHand order, and which exist."""
    joints, valid = np.tile(PLACEHOLDER, (42, 1)), np.zeros(42, bool)
    order = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
    for hand in hands:
        rows = slice(21 * SIDES.index(hand.side), 21 * SIDES.index(hand.side) + 21)
        layer = models.layers[hand.side]
        posed = layer.joints(hand.vertices[None], tips='interhand')[0]
        joints[rows] = (posed.double().numpy()[order] * MILLIMETRES).round(4)
        valid[rows] = True
    return joints, valid


def _describe_view(
    frame: RenderedFrame,
    index: int,
    camera: RigCamera,
    hands: list[Hand],
    joints: np.ndarray,
    valid: np.ndarray,
) -> dict:
    """The image's and the annotation's entries of the data file."""
    kind = hand_type(hands)
    pixels = camera.to_pixels(camera.to_camera(joints))
    seen = valid & (pixels >= 0).all(1) & (pixels <= np.array(camera.size) - 1).all(1)
    # A picture may cut off all of a hand: its box is then of what it hides.
    corners = tight_corners(pixels[seen if seen.any() else valid])
    extent = (corners[2:] - corners[:2]) * BOX_SCALE
    corner = (corners[:2] + corners[2:]) / 2 - extent / 2
    number = frame.first_id + index
    annotation = dict(
        id=number,
        image_id=number,
        bbox=[*corner.tolist(), *extent.tolist()],
        joint_valid=[[int(one)] for one in seen],
        hand_type=kind,
        hand_type_valid=1,
    )
    return dict(
        image=_describe_image(frame, number, camera, kind), annotation=annotation
    )


def _describe_image(
    frame: RenderedFrame, number: int, camera: RigCamera, kind: str
) -> dict:
    """The image's entry of the data file; ``kind`` is its hand type."""
    name = (
        f'Capture{frame.capture}/{SEQUENCES[kind]}/cam{camera.name}/'
        f'image{frame.number}.jpg'
    )
    return dict(
        id=number,
        file_name=name,
        width=camera.size[0],
        height=camera.size[1],
        capture=frame.capture,
        subject=frame.capture,
        seq_name=SEQUENCES[kind],
        camera=camera.name,
        frame_idx=frame.number,
    )


def _joint_3d(hands: list[Hand], joints: np.ndarray, valid: np.ndarray) -> dict:
    kind = hand_type(hands)
    return dict(
        world_coord=joints.tolist(),
        joint_valid=[[bool(one)] for one in valid],
        hand_type=kind,
        hand_type_valid=True,
        seq=SEQUENCES[kind],
    )


def _mano(hands: list[Hand]) -> dict:
    entry = dict.fromkeys(SIDES)
    for hand in hands:
        entry[hand.side] = dict(
            pose=hand.pose.tolist(),
            shape=hand.shape.tolist(),
            trans=hand.translation.tolist(),
        )
    return entry


def _cameras(rig: list[RigCamera]) -> dict:
    """A capture's entry of the camera file."""
    fields = dict(campos='position', camrot='rotation', focal='focal', princpt='centre')
    return {
        key: {camera.name: getattr(camera, field).tolist() for camera in rig}
        for key, field in fields.items()
    }
