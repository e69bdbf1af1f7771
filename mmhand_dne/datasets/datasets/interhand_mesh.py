"""InterHand2.6M v1.0 with MANO: crops of one or two hands with all their truth."""
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS

from mmhand_dne.datasets.draws import DrawKey, draws_of
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import INTERHAND_JOINTS, OPENPOSE_JOINTS, WRIST, HandPair
from mmhand_dne.hand_model.skeleton import reorder

from .annotation_files import lookup, numbers, read_json

OPENPOSE_FROM_INTERHAND = reorder(INTERHAND_JOINTS, OPENPOSE_JOINTS)
SIDES = ('right', 'left')
HAND_TYPES = {'right': (1, 0), 'left': (0, 1), 'interacting': (1, 1)}
MILLIMETRES = 1000.0  # in a metre


@DATASETS.register_module()
class InterHandMeshDataset(BaseDataset):
    """InterHand2.6M in its official v1.0 layout (and anything written alike).

    One entry is one image. Missing or null MANO, invalid joints and one-hand frames
    are normal: each field comes with a mask. Joints are measured from the mesh where a
    hand has MANO, else taken from the joint annotation [decided].

    Args:
        ann_file: ``InterHand2.6M_*_data.json``, relative to ``data_root``.
        camera_file, joint_file: ``*_camera.json``, ``*_joint_3d.json``.
        mano_file: ``*_MANO_NeuralAnnot.json``; None: joints only.
        hand_model: config of :class:`HandPair`: the hand that the parameters are of.
        subset_step: keep every n-th entry in annotation order (10: the paper's 10 %).

    Other arguments: see MMEngine's ``BaseDataset``.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/interhand3d.py')

    def __init__(self, ann_file: str, camera_file: str, joint_file: str,
                 mano_file: Optional[str] = None, data_root: str = '',
                 data_prefix: dict = dict(img='images'),
                 hand_model: dict = dict(type='HandPair'), subset_step: int = 1,
                 **kwargs):
        if subset_step < 1:
            raise ValueError(
                f'InterHandMeshDataset: subset_step is {subset_step}, expected >= 1')
        self.camera_file, self.joint_file = camera_file, joint_file
        self.mano_file, self.subset_step = mano_file, subset_step
        arguments = dict(hand_model)
        arguments.pop('type', None)
        self.pair = HandPair(**arguments)
        super().__init__(ann_file=ann_file, data_root=data_root,
                         data_prefix=data_prefix, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo=None):
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
        self.cameras = read_json(self.camera_file)
        self.frames = read_json(self.joint_file)
        self.manos = read_json(self.mano_file) if self.mano_file else {}
        images = {image['id']: image for image in lookup(data, self.ann_file, 'images')}
        annotations = lookup(data, self.ann_file, 'annotations')
        return [self._entry(annotation, images)
                for annotation in annotations[::self.subset_step]]

    def _entry(self, annotation: dict, images: dict) -> dict:
        place = f"annotation {annotation.get('id')}"
        try:
            image = images[annotation['image_id']]
            camera = str(image['camera'])
            capture, frame = str(image['capture']), str(image['frame_idx'])
            name, hand_type = image['file_name'], annotation['hand_type']
        except KeyError as error:
            raise ValueError(
                f'{self.ann_file}: {place} has no {error}; the file is damaged or of '
                'another version'
            ) from error
        if hand_type not in HAND_TYPES:
            raise ValueError(
                f'{self.ann_file}: {place} has hand_type {hand_type!r}, expected one '
                f'of {sorted(HAND_TYPES)}'
            )
        lookup(self.cameras, self.camera_file, capture, 'campos', camera)
        joint_valid = numbers(np.ravel(annotation.get('joint_valid', [])), (42,),
                              self.ann_file, f'joint_valid of {place}')
        return dict(
            img_path=str(Path(self.data_prefix['img']) / name),
            id=int(annotation['id']), img_id=int(image['id']), capture=capture,
            frame=frame, camera=camera,
            bbox=numbers(annotation['bbox'], (4,), self.ann_file, f'bbox of {place}'),
            joint_in_image=joint_valid.reshape(2, 21)[:, OPENPOSE_FROM_INTERHAND],
            hand_type=hand_type,
            hand_type_valid=int(annotation.get('hand_type_valid', 1)))

    def get_data_info(self, idx: int) -> dict:
        """One entry with its truth in camera axes, before any transform."""
        info = super().get_data_info(int(idx))
        camera = self._camera(info)
        info.update(self._joints(info, camera))
        info.update(self._meshes(info, camera))
        flags = np.array(HAND_TYPES[info['hand_type']], np.float32)
        annotated = info['joints_valid'].any(-1) | (info['mano_valid'] > 0)
        info['hand_presence'] = flags
        info['hand_presence_valid'] = np.where(
            (flags > 0) & ~annotated, 0, info['hand_type_valid']).astype(np.float32)
        info['hand_type'] = flags[None]
        info['hand_type_valid'] = np.array([info['hand_type_valid']])
        info['intrinsics'] = camera['intrinsics']
        info.update(self._mmpose_fields(info, camera))
        return info

    def _camera(self, info: dict) -> dict:
        capture, name, path = info['capture'], info['camera'], self.camera_file
        shapes = dict(campos=(3,), camrot=(3, 3), focal=(2,), princpt=(2,))
        values = {
            key: numbers(lookup(self.cameras, path, capture, key, name), shape, path,
                         f'{key} of capture {capture}, camera {name}')
            for key, shape in shapes.items()}
        matrix = np.eye(3)
        matrix[[0, 1], [0, 1]], matrix[:2, 2] = values['focal'], values['princpt']
        return dict(values, intrinsics=matrix, position=values['campos'] / MILLIMETRES)

    def _joints(self, info: dict, camera: dict) -> dict:
        """Annotated joints, (2, 21, 3) metres from the camera, OpenPose order."""
        path, place = self.joint_file, (info['capture'], info['frame'])
        frame = lookup(self.frames, path, *place)
        name = f'world_coord of {"/".join(place)}'
        if isinstance(frame, dict):
            world = numbers(lookup(frame, path, 'world_coord'), (42, 3), path, name)
            valid = np.asarray(frame.get('joint_valid', np.ones(42)), float).reshape(42)
        else:  # v0.0: a bare list
            world, valid = numbers(frame, (42, 3), path, name), np.ones(42)
        world = world / MILLIMETRES
        joints = (world - camera['position']) @ camera['camrot'].T
        joints = joints.reshape(2, 21, 3)[:, OPENPOSE_FROM_INTERHAND]
        valid = valid.reshape(2, 21)[:, OPENPOSE_FROM_INTERHAND] > 0
        # Invalid joints hold the world placeholder (1, 1, 1): finite, but nowhere.
        return dict(joints_cam=np.where(valid[..., None], joints, 0),
                    joints_valid=valid)

    def _meshes(self, info: dict, camera: dict) -> dict:
        """True meshes and MANO parameters in camera axes, zeros where unknown."""
        frame = self.manos.get(info['capture'], {}).get(info['frame']) or {}
        poses, betas, trans = np.zeros((2, 48)), np.zeros((2, 10)), np.zeros((2, 3))
        valid = np.zeros(2)
        for slot, side in enumerate(SIDES):
            hand = frame.get(side)
            if hand is None:
                continue
            name = f'{info["capture"]}/{info["frame"]}/{side}'
            for target, key, size in ((poses, 'pose', 48), (betas, 'shape', 10),
                                      (trans, 'trans', 3)):
                target[slot] = numbers(lookup(hand, self.mano_file, key), (size,),
                                       self.mano_file, f'{key} of {name}')
            valid[slot] = 1
        return self._posed(poses, betas, trans, valid, camera)

    def _posed(self, poses, betas, trans, valid, camera) -> dict:
        with torch.no_grad():
            world = torch.stack([
                layer.absolute_pose(torch.tensor(pose, dtype=torch.float32), mean=True)
                for layer, pose in zip((self.pair.right, self.pair.left), poses)])
            turn = torch.tensor(camera['camrot'], dtype=torch.float32)
            rotations = world.clone()
            rotations[:, 0] = turn @ world[:, 0]
            shape = torch.tensor(betas, dtype=torch.float32)
            # The root joint of the rest pose is the pivot: turn about it, then place.
            mesh = self.pair(world[None], shape[None])
            wrist = mesh.root[0].double().numpy() + trans
            root = (wrist - camera['position']) @ camera['camrot'].T
            vertices = mesh.vertices[0] @ turn.T
            joints = mesh.joints[0] @ turn.T
        keep = valid[:, None, None] > 0
        rotations = torch.where(
            torch.tensor(keep[..., None]), rotations, torch.eye(3))
        return dict(
            mano_rotations=rotations.numpy(), mano_betas=betas * valid[:, None],
            mano_valid=valid, mesh_vertices=np.where(keep, vertices.numpy(), 0.0),
            mesh_joints=np.where(keep, joints.numpy(), 0.0),
            mesh_root=root * valid[:, None])

    def _mmpose_fields(self, info: dict, camera: dict) -> dict:
        """What MMPose's InterHandMetric reads; the original image's frame, mm."""
        to_interhand = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
        mesh = info['mano_valid'][:, None, None] > 0
        joints = np.where(
            mesh, info['mesh_joints'] + info['mesh_root'][:, None], info['joints_cam'])
        valid = info['joints_valid'] & info['joints_valid'][:, WRIST, None]
        depth = MILLIMETRES * joints[:, WRIST, 2]
        return dict(
            keypoints_cam=MILLIMETRES * joints[:, to_interhand].reshape(1, 42, 3),
            keypoints_visible=valid[:, to_interhand].reshape(1, 42).astype(np.float32),
            abs_depth=depth, focal=camera['focal'], principal_pt=camera['princpt'],
            rel_root_depth=depth[1:] - depth[:1])

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
