"""InterHand2.6M v1.0 with MANO: crops of one or two hands with all their truth."""
import warnings
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS

from mmhand_dne.datasets.draws import DrawKey, draws_of
from mmhand_dne.hand_model import INTERHAND_JOINTS, OPENPOSE_JOINTS, WRIST, HandPair
from mmhand_dne.hand_model.skeleton import reorder

from .annotation_files import lookup, numbers, read_json
from .interhand_annotations import (
    MILLIMETRES,
    Camera,
    Moment,
    read_camera,
    read_moments,
    two_hands,
)
from .single_hand import shown_joints

INTERHAND_FROM_OPENPOSE = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
HAND_TYPES = {'right': (1, 0), 'left': (0, 1), 'interacting': (1, 1)}
FREE_HAND, IMAGES = dict(type='HandPair', source='free'), dict(img='images')
ENTRY_KEYS = (
    ('image', ('camera', 'capture', 'frame_idx', 'file_name')),
    ('annotation', ('id', 'bbox', 'joint_valid', 'hand_type')))


@DATASETS.register_module()
class InterHandMeshDataset(BaseDataset):
    """InterHand2.6M in its official v1.0 layout (and anything written alike).

    One entry is one annotated image. Missing or null MANO, invalid joints and one-hand
    frames are normal: each field comes with a mask. Joints are measured from the mesh
    where a hand has MANO, else taken from the joint annotation [decided]; MMPose's own
    fields in ``gt_instances`` are always the joint annotation. The presence of a hand
    is known where ``hand_type`` agrees with the joints: present with a joint in the
    image, or absent without any joint [decided].

    Args:
        ann_file: ``InterHand2.6M_*_data.json``, relative to ``data_root``.
        camera_file, joint_file: ``*_camera.json``, ``*_joint_3d.json``.
        mano_file: ``*_MANO_NeuralAnnot.json``; None: joints only.
        hand_model: config of :class:`HandPair` or :class:`SingleHand`: the hand that
            the parameters are of.
        subset_step: keep every n-th entry in annotation order (10: the paper's 10 %).

    Other arguments: see MMEngine's ``BaseDataset``.

    Raises:
        ValueError: a file is missing, truncated or of another version, a frame has no
            camera or no joints, or a value has another shape or is not finite.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/interhand3d.py')

    def __init__(self, ann_file: str, camera_file: str, joint_file: str,
                 mano_file: Optional[str] = None, data_root: str = '',
                 data_prefix: dict = IMAGES, hand_model: dict = FREE_HAND,
                 subset_step: int = 1, **kwargs):
        if subset_step < 1:
            raise ValueError(
                f'InterHandMeshDataset: subset_step is {subset_step}, expected >= 1')
        self.camera_file, self.joint_file = camera_file, joint_file
        self.mano_file, self.subset_step = mano_file, subset_step
        arguments = dict(hand_model)
        # A one-hand model's other choices concern predictions: true joints are always
        # measured from the mesh.
        for key in ('type', 'joints'):
            arguments.pop(key, None)
        self.pair = HandPair(**arguments)
        super().__init__(ann_file=ann_file, data_root=data_root,
                         data_prefix=data_prefix, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo=None):
        with warnings.catch_warnings():
            # MMPose warns that it found the file in its own package, as intended.
            warnings.filterwarnings('ignore', 'The metainfo config file')
            return parse_pose_metainfo({**cls.METAINFO, **(metainfo or {})})

    def _join_prefix(self):
        super()._join_prefix()
        root = Path(self.data_root)
        self.camera_file = root / self.camera_file
        self.joint_file = root / self.joint_file
        self.mano_file = root / self.mano_file if self.mano_file else None

    def load_data_list(self) -> list[dict]:
        """Entries in annotation order: ids, boxes and where to find the rest."""
        data = read_json(self.ann_file)
        images = {image['id']: image for image in lookup(data, self.ann_file, 'images')}
        annotations = lookup(data, self.ann_file, 'annotations')[::self.subset_step]
        entries = [self._entry(annotation, images) for annotation in annotations]
        kept = [entry for entry in entries if max(entry['bbox'][2:]) > 0]
        if len(kept) < len(entries):
            # A single visible joint makes a box without extent.
            print_log(
                f'{self.ann_file}: {len(entries) - len(kept)} of {len(entries)} images '
                'have a box without extent and are left out', 'current', level=30)
        table = read_json(self.camera_file)
        self.cameras = {
            key: read_camera(table, self.camera_file, *key)
            for key in {entry['camera'] for entry in kept}}
        self.moments = read_moments(
            dict.fromkeys(entry['moment'] for entry in kept),
            read_json(self.joint_file), self.joint_file,
            read_json(self.mano_file) if self.mano_file else {}, self.mano_file,
            self.pair)
        return kept

    def _entry(self, annotation: dict, images: dict) -> dict:
        place = f'annotation {annotation.get("id")}'
        if annotation.get('image_id') not in images:
            raise ValueError(
                f'{self.ann_file}: {place} is of image {annotation.get("image_id")}, '
                'which the file does not list; download it again')
        image = images[annotation['image_id']]
        for (name, keys), table in zip(ENTRY_KEYS, (image, annotation)):
            for key in keys:
                lookup(table, f'{self.ann_file}, {name} of {place}', key)
        hand_type, capture = annotation['hand_type'], str(image['capture'])
        if hand_type not in HAND_TYPES:
            raise ValueError(
                f'{self.ann_file}: {place} has hand_type {hand_type!r}, expected one '
                f'of {sorted(HAND_TYPES)}; correct the file')
        in_image = numbers(np.ravel(annotation['joint_valid']), (42,), self.ann_file,
                           f'joint_valid of {place}') > 0
        size = {key: image[key] for key in ('width', 'height') if key in image}
        return dict(
            **size, img_path=str(Path(self.data_prefix['img']) / image['file_name']),
            id=int(annotation['id']), img_id=int(image['id']),
            camera=(capture, str(image['camera'])),
            moment=(capture, str(image['frame_idx'])),
            bbox=numbers(annotation['bbox'], (4,), self.ann_file, f'bbox of {place}'),
            joint_in_image=two_hands(in_image), hand_type=hand_type,
            hand_type_valid=int(annotation.get('hand_type_valid', 1)))

    def get_data_info(self, idx: int) -> dict:
        """One entry with its truth in camera axes, before any transform."""
        info = super().get_data_info(int(idx))
        camera = self.cameras[info.pop('camera')]
        moment = self.moments[info.pop('moment')]
        joints = (moment.joints - camera.position) @ camera.rotation.T
        valid = moment.joints_valid
        info.update(
            joints_cam=np.where(valid[..., None], joints, 0), joints_valid=valid,
            intrinsics=camera.intrinsics, **self._meshes(moment, camera),
            **_presence(info['hand_type'], info['hand_type_valid'], valid,
                        info['joint_in_image']))
        info.update(_mmpose_fields(info, camera))
        return info

    def count_joints(self, idx: int) -> np.ndarray:
        """How many joints with truth each hand of an image shows, without its mesh."""
        entry = super().get_data_info(int(idx))
        moment = self.moments[entry['moment']]
        return shown_joints(
            moment.joints_valid, entry['joint_in_image'], moment.mano_valid)

    @torch.no_grad()
    def _meshes(self, moment: Moment, camera: Camera) -> dict:
        """True meshes and MANO parameters in camera axes, zeros where unknown."""
        turns = np.tile(np.eye(3), (2, 16, 1, 1))
        vertices = np.zeros(tuple(self.pair.template.shape))
        joints, roots = np.zeros((2, 21, 3)), np.zeros((2, 3))
        for slot in np.flatnonzero(moment.mano_valid):
            layer = (self.pair.right, self.pair.left)[slot]
            world = layer(torch.from_numpy(moment.rotations[slot]),
                          torch.from_numpy(moment.betas[slot]).float())
            points = world.double().numpy() + moment.translation[slot]
            points = (points - camera.position) @ camera.rotation.T
            found = self.pair.joint_regressor[slot].double().numpy() @ points
            roots[slot] = found[WRIST]
            vertices[slot], joints[slot] = points - found[WRIST], found - found[WRIST]
            turns[slot] = moment.rotations[slot]
            turns[slot, 0] = camera.rotation @ turns[slot, 0]
        return dict(
            mano_rotations=turns, mano_betas=moment.betas,
            mano_valid=moment.mano_valid, mesh_valid=moment.mano_valid,
            mesh_vertices=vertices, mesh_joints=joints, mesh_root=roots)

    def prepare_data(self, idx):
        """Run the pipeline, with draws from the key if the index carries one."""
        if isinstance(idx, DrawKey):
            with draws_of(idx):
                return super().prepare_data(idx)
        return super().prepare_data(idx)

    def __getitem__(self, idx) -> dict:
        """The packed sample; nothing is skipped or replaced by another."""
        if not self._fully_initialized:
            self.full_init()
        return self.prepare_data(idx)


def _presence(hand_type: str, type_valid: int, annotated: np.ndarray,
              in_image: np.ndarray) -> dict:
    """Which hands are there, and whether that is known (see the class)."""
    present = np.array(HAND_TYPES[hand_type], np.float32)
    known = np.where(present > 0, in_image.any(-1), ~annotated.any(-1))
    return dict(
        hand_presence=present,
        hand_presence_valid=(known & (type_valid > 0)).astype(np.float32),
        hand_type=present[None], hand_type_valid=np.array([type_valid]))


def _mmpose_fields(info: dict, camera: Camera) -> dict:
    """What MMPose's InterHandMetric and visualisers read, of the original image.

    Camera millimetres, InterHand order; validity as MMPose's data set has it:
    annotated, in the image, and of a hand whose wrist is.
    """
    joints = MILLIMETRES * info['joints_cam']
    depth = joints[:, WRIST, 2]
    seen = info['joint_in_image']
    seen = seen & seen[:, WRIST, None] & info['joints_valid']
    pixels = joints @ camera.intrinsics.T
    pixels = pixels[..., :2] / np.where(seen, pixels[..., 2], 1)[..., None]
    keypoints = np.concatenate(
        [pixels, (joints[..., 2] - depth[:, None])[..., None]], -1)
    keypoints = np.where(seen[..., None], keypoints, 0)

    def as_interhand(values):
        values = values[:, INTERHAND_FROM_OPENPOSE]
        return values.reshape(1, 42, *values.shape[2:]).astype(np.float32)

    return dict(
        keypoints=as_interhand(keypoints), keypoints_cam=as_interhand(joints),
        keypoints_visible=as_interhand(seen), abs_depth=depth,
        focal=np.diag(camera.intrinsics)[:2].copy(),
        principal_pt=camera.intrinsics[:2, 2].copy())
