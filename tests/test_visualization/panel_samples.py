"""Evaluated data samples whose image is a rendering of the ground truth."""

from functools import lru_cache

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

from mmhand_dne.geometry.camera import ndc_to_pixels, pixels_to_ndc, project_perspective
from mmhand_dne.hand_model import HandPair
from mmhand_dne.visualization.canvas.mesh_renderer import (
    perspective_surface,
    render_overlay,
)

SIZE = 128  # of the crop
ORIGINAL = (200, 300)  # height, width of the image it is cut from
AFFINE = np.array([[0.8, 0.0, -40.0], [0.0, 0.8, -10.0]])  # image -> crop
SKIN = (205, 160, 135)
ROOTS = torch.tensor([[0.055, 0.08, 0.80], [-0.055, 0.08, 0.74]])
# Fingers up, back of the hand to the camera, from MANO's frame (fingers -x or +x).
UPRIGHT = torch.tensor(
    [
        [[0.0, 0, -1], [1, 0, 0], [0, -1, 0]],
        [[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]],
    ]
)


@lru_cache(maxsize=1)
def hand_pair():
    return HandPair(source='cc0')


def crop_intrinsics():
    focal = 2.2 * SIZE
    center = SIZE / 2 - 0.5
    return torch.tensor([[focal, 0, center], [0, focal, center], [0, 0, 1.0]])


def fitted_camera(roots):
    """Crop cameras (2, 2, 2) that see the wrists as the perspective one does."""
    scale = 2.2 * 2 / roots[:, 2:]
    shift = pixels_to_ndc(project_perspective(roots, crop_intrinsics()), SIZE)
    return torch.stack([scale.expand(-1, 2), shift], dim=-1)


def mesh_camera(roots):
    """Crop cameras (2, 2, 2) that see the meshes as the perspective one does, by least
    squares, one scale each.
    """
    vertices, _ = posed_hands()
    pixels = project_perspective(vertices + roots[:, None], crop_intrinsics())
    ndc = pixels_to_ndc(pixels, SIZE)
    middle, centre = ndc.mean(1), vertices.mean(1)[:, :2]
    spread = vertices[..., :2] - centre[:, None]
    scale = (spread * (ndc - middle[:, None])).sum((1, 2)) / spread.square().sum((1, 2))
    shift = middle - scale[:, None] * centre
    return torch.stack([scale[:, None].expand(-1, 2), shift], dim=-1)


@lru_cache(maxsize=1)
def posed_hands():
    """HandMesh of upright hands in the mean pose, without the batch dimension."""
    pair = hand_pair()
    rotations = UPRIGHT[:, None] @ pair.mean_rotations
    mesh = pair(rotations[None], torch.zeros(1, 2, 10))
    return mesh.vertices[0], mesh.joints[0]


def gt_labels(present, mesh):
    vertices, joints = posed_hands()
    there = torch.tensor(present, dtype=torch.float32)
    solid = there if mesh else torch.zeros(2)
    joints_cam = joints + ROOTS[:, None]
    ndc = pixels_to_ndc(project_perspective(joints_cam, crop_intrinsics()), SIZE)
    every = there[:, None].expand(2, 21)
    labels = dict(
        hand_vertices=vertices * solid[:, None, None],
        hand_vertices_valid=solid,
        hand_joints=joints * every[..., None],
        hand_joints_valid=every,
        hand_joints_ndc=ndc * every[..., None],
        hand_joints_ndc_valid=every,
        hand_root_cam=ROOTS * there[:, None],
        hand_root_valid=there,
        mano_rotations=torch.eye(3).expand(2, 16, 3, 3),
        mano_betas=torch.zeros(2, 10),
        mano_valid=solid,
        hand_presence=there,
        hand_presence_valid=torch.ones(2),
        crop_intrinsics=crop_intrinsics(),
    )
    return InstanceData(**{name: value[None].clone() for name, value in labels.items()})


def predictions(present, refined):
    """Coarse hands 10 % too large and shifted; refined ones are true."""
    vertices, joints = posed_hands()
    camera = fitted_camera(ROOTS)
    wrong = camera.clone()
    wrong[..., 0] *= 0.9
    wrong[:, 0, 1] += 0.15
    fields = dict(
        hand_presence=torch.tensor(present) * 0.9 + 0.05,
        hand_vertices=vertices,
        hand_joints=joints,
        hand_camera=camera,
        hand_root_cam=ROOTS,
        coarse_vertices=1.1 * vertices,
        coarse_joints=1.1 * joints,
        coarse_camera=wrong,
    )
    if refined:
        fields.update(
            stage1_vertices=vertices, stage1_joints=joints, stage1_camera=camera
        )
    arrays = {
        name: value.float().numpy()[None].copy() for name, value in fields.items()
    }
    return InstanceData(**arrays, **original_keypoints(joints))


def original_keypoints(joints):
    """MMPose's own fields: key points in pixels of the original image."""
    pixels = project_perspective(joints + ROOTS[:, None], crop_intrinsics()).numpy()
    pixels = (pixels - AFFINE[:, 2]) / np.diag(AFFINE)
    points = np.concatenate([pixels, 1000 * joints[..., 2:].numpy()], axis=-1)
    order = [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17, 0]
    return dict(
        keypoints=points[:, order].reshape(1, 42, 3).astype(np.float32),
        keypoint_scores=np.ones((1, 42), np.float32),
    )


def random_maps(cells=16):
    rng = np.random.default_rng(0)
    channels = dict(depth=1, normal=3, heatmaps=42, correspondence=3, parts=34)
    maps = {name: rng.random((n, cells, cells)) for name, n in channels.items()}
    return PixelData(**{name: torch.from_numpy(map_) for name, map_ in maps.items()})


@lru_cache(maxsize=4)
def sample_image(present):
    """The original image (h, w, 3) uint8 RGB: the true hands, in skin colour."""
    vertices, _ = posed_hands()
    frame = np.linalg.inv(np.concatenate([AFFINE, [[0, 0, 1]]]))
    intrinsics = torch.from_numpy(frame).float() @ crop_intrinsics()
    surfaces = [
        perspective_surface(
            vertices[hand] + ROOTS[hand], intrinsics, hand_pair().faces[hand], SKIN
        )
        for hand in range(2)
        if present[hand]
    ]
    rows, columns = np.mgrid[: ORIGINAL[0], : ORIGINAL[1]]
    image = np.stack([60 + rows // 4, 80 + columns // 5, 90 + 0 * rows], -1)
    return render_overlay(image.astype(np.uint8), surfaces, alpha=1.0)


def make_sample(present=(1, 1), mesh=True, predicted=True, refined=True, maps=True):
    """One evaluated sample; what the arguments deny is missing from it."""
    names = {(1, 1): 'interacting', (1, 0): 'right', (0, 1): 'left'}
    sample = PoseDataSample(
        metainfo=dict(
            id=17,
            img_id=3,
            img_path='some/where/hands.jpg',
            ori_shape=ORIGINAL,
            img_shape=(SIZE, SIZE),
            input_size=(SIZE, SIZE),
            input_center=np.array([130.0, 92.5]),
            input_scale=np.array([160.0, 160.0]),
            crop_affine=AFFINE,
            flip=False,
            sample_idx=0,
            hand_type=names[tuple(present)],
        )
    )
    sample.gt_instance_labels = gt_labels(present, mesh)
    box = ndc_to_pixels(torch.tensor([[-0.8, -0.8], [0.8, 0.8]]), SIZE).numpy()
    box = (box - AFFINE[:, 2]) / np.diag(AFFINE)
    sample.gt_instances = InstanceData(bboxes=box.reshape(1, 4))
    if predicted:
        sample.pred_instances = predictions(present, refined)
    if maps:
        sample.pred_fields = random_maps()
    return sample
