"""The pictures that real_hands.py scores on, with what is known of their hands."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mmhand_dne.conventions import NUM_JOINTS, SIDES
from mmhand_dne.datasets.datasets.interhand_mesh_dataset import InterHandMeshDataset
from mmhand_dne.datasets.readers.freihand_files import read_keypoints
from mmhand_dne.errors import UserError
from mmhand_dne.evaluation.functional.single_hand_errors import NOT_TIPS, TrueHand
from mmhand_dne.fileio.images import read_image
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.structures.hand_landmarks import LandmarkedHand

LEAST_SEEN = 12  # joints in the image of a rendered hand that is scored
LEAST_PRESENCE = 0.9  # of a photo whose landmarks are taken for the truth
FREIHAND, INTERHAND, PHOTOS = 'freihand', 'interhand2.6m', 'photos'
FREIHAND_TITLE, INTERHAND_TITLE = 'FreiHAND', 'InterHand2.6M'
PHOTO_SETS = dict(digits='real_hands/digits', scenes='real_hands/scenes')
# All of FreiHAND's hands are right ones; so are the digits'.
SIDE_OF = dict(digits='right', scenes=None)


class LabelledImage(NamedTuple):
    """A picture and its hands.

    Attributes:
        path: of the file.
        hands: those whose truth is known.
        complete: whether the picture shows no others.
    """

    path: Path
    hands: list[TrueHand]
    complete: bool = True


class PictureGroup(NamedTuple):
    """Pictures that are scored together.

    Attributes:
        title: of the rows.
        images: its pictures.
        by_landmarks: whether a landmark network's reading is taken for the truth.
    """

    title: str
    images: list[LabelledImage]
    by_landmarks: bool = False


class BoxReader(Protocol):
    """What reads landmarks in a box, as ``HandLandmarker`` does."""

    def in_box(self, image: np.ndarray, corners: np.ndarray) -> LandmarkedHand:
        """The hand in a box of an RGB image."""


def freihand_group(folder: Path) -> PictureGroup:
    """FreiHAND's pictures of MMPose's tests: 2D key points of one right hand each."""
    images = []
    for entry in read_keypoints(folder / 'test_freihand.json', folder):
        corners = tight_corners(entry.keypoints[entry.valid])
        hand = TrueHand(corners, entry.keypoints, entry.valid, 'right')
        images.append(LabelledImage(Path(entry.img_path), [hand]))
    return PictureGroup(FREIHAND_TITLE, images)


def interhand_group(folder: Path) -> PictureGroup:
    """InterHand2.6M's pictures of MMPose's tests: joints of one or two hands."""
    name = 'test_interhand2.6m_{}.json'.format
    data = InterHandMeshDataset(
        ann_file=name('data'),
        camera_file=name('camera'),
        joint_file=name('joint_3d'),
        data_root=str(folder),
        data_prefix=dict(img='.'),
        index=None,
    )
    return PictureGroup(INTERHAND_TITLE, [_labelled(info) for info in _infos(data)])


def rendered_group(
    folder: Path, count: int, title: str = 'rendered', split: str = 'test'
) -> PictureGroup:
    """Pictures of ``make_rendered_data.py``, evenly spaced: joints and meshes.

    Args:
        count: at most so many pictures; 0: all.
    """
    name = f'annotations/{split}/InterHand2.6M_{split}_{{}}.json'.format
    data = InterHandMeshDataset(
        ann_file=name('data'),
        camera_file=name('camera'),
        joint_file=name('joint_3d'),
        mano_file=name('MANO_NeuralAnnot'),
        data_root=str(folder),
        data_prefix=dict(img=f'images/{split}'),
        index=None,
    )
    images = [_labelled(info) for info in _infos(data, count)]
    return PictureGroup(title, [image for image in images if image.hands])


def photo_group(name: str, folder: Path, count: int, reader: BoxReader) -> PictureGroup:
    """Photos without annotation: the landmark network's reading of each whole one.

    The tips do not count: the network's lie inside the pads.
    """
    images = []
    for path in picture_files(folder, count):
        image = np.ascontiguousarray(read_image(path)[..., ::-1])
        height, width = image.shape[:2]
        read = reader.in_box(image, np.array([0.0, 0, width - 1, height - 1]))
        if read.presence >= LEAST_PRESENCE:
            corners = tight_corners(read.points)
            hand = TrueHand(corners, read.points, NOT_TIPS, SIDE_OF.get(name))
            images.append(LabelledImage(path, [hand], complete=False))
    return PictureGroup(name, images, by_landmarks=True)


def picture_files(folder: Path, count: int = 0) -> list[Path]:
    """The .jpg and .png files of a folder in order of name, evenly spaced if many."""
    found = sorted(p for p in folder.iterdir() if p.suffix in ('.jpg', '.jpeg', '.png'))
    if not found:
        raise UserError(f'{folder}: has no .jpg or .png file; check the folder')
    return [found[i] for i in evenly(len(found), count)]


def evenly(total: int, count: int) -> list[int]:
    """At most ``count`` indices below ``total``, evenly spaced; all if count is 0."""
    if not count or count >= total:
        return list(range(total))
    return [int(i * total / count) for i in range(count)]


def _infos(data: InterHandMeshDataset, count: int = 0) -> Sequence[dict]:
    return [data.get_data_info(i) for i in evenly(len(data), count)]


def _labelled(info: dict) -> LabelledImage:
    """A raw sample's picture and hands, from the meshes where it has them."""
    hands = []
    for slot, side in enumerate(SIDES):
        joints, valid = info['joints_cam'][slot], info['joints_valid'][slot]
        vertices = None
        if info['mesh_valid'][slot]:
            root = info['mesh_root'][slot]
            joints, valid = info['mesh_joints'][slot] + root, np.ones(NUM_JOINTS, bool)
            vertices = info['mesh_vertices'][slot] + root
        if valid.any() and info['joint_in_image'][slot].sum() >= LEAST_SEEN:
            pixels = project_perspective(joints, info['intrinsics'], valid)
            corners = tight_corners(pixels[valid])
            hands.append(TrueHand(corners, pixels, valid, side, joints, vertices))
    return LabelledImage(Path(info['img_path']), hands)
