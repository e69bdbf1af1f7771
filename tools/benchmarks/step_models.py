"""The two models of train_step.py with random batches of the same images."""

from pathlib import Path

import mmpose
import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.structures import PoseDataSample
from stopwatch import Stopwatch

import mmhand_dne  # noqa: F401  registers our modules
from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.models.heads import aux_map_head
from mmhand_dne.structures.hand_targets import HandTargets

INTERNET = (
    'hand_3d_keypoint/internet/interhand3d/'
    'internet_res50_4xb16-20e_interhand3d-256x256.py'
)
ROOTS = ((-0.06, 0.05, 0.8), (0.06, 0.05, 0.8))  # metres, camera: both on the crop
FOCAL = 500.0  # pixels of a 256-pixel crop: two hands at 0.8 m fill half of it


def load_config(model: str, path: str) -> Config:
    """Ours from ``path``, MMPose's InterNet from the mmpose package."""
    if model == 'internet':
        path = Path(mmpose.__path__[0]) / '.mim' / 'configs' / INTERNET
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = None
    return cfg


def build(model: str, cfg: Config, device: str):
    """Model in training mode and its optimiser, weights from a fixed seed."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    network = MODELS.build(cfg.model)
    network.init_weights()
    network = network.to(device).train()
    return network, build_optim_wrapper(network, cfg.optim_wrapper)


def hand_batch(network, batch_size: int, size: int) -> dict:
    """Random crops with two random hands each, as the data set packs them."""
    generator = torch.Generator().manual_seed(0)
    pair = network.hand_model
    angles = 0.2 * torch.randn(batch_size, 2, 16, 3, generator=generator)
    rotations = matrix_from_axis_angle(angles) @ pair.mean_rotations.cpu()
    betas = 0.5 * torch.randn(batch_size, 2, 10, generator=generator)
    device = next(network.parameters()).device
    hands = pair(rotations.to(device), betas.to(device))
    roots = torch.tensor(ROOTS).expand(batch_size, 2, 3)
    center, focal = (size - 1) / 2, FOCAL * size / 256
    intrinsics = torch.tensor([[focal, 0, center], [0, focal, center], [0, 0, 1]])
    joints = hands.joints.detach().cpu()
    pixels = project_perspective(joints + roots[:, :, None], intrinsics)
    fields = dict(
        hand_vertices=hands.vertices.detach().cpu(),
        hand_vertices_valid=torch.ones(batch_size, 2),
        hand_joints=joints,
        hand_joints_valid=torch.ones(batch_size, 2, 21),
        hand_joints_ndc=pixels_to_ndc(pixels, size),
        hand_joints_ndc_valid=torch.ones(batch_size, 2, 21),
        hand_root_cam=roots,
        hand_root_valid=torch.ones(batch_size, 2),
        mano_rotations=rotations,
        mano_betas=betas,
        mano_valid=torch.ones(batch_size, 2),
        hand_presence=torch.ones(batch_size, 2),
        hand_presence_valid=torch.ones(batch_size, 2),
        crop_intrinsics=intrinsics.expand(batch_size, 3, 3),
    )
    samples = []
    for i in range(batch_size):
        sample = PoseDataSample(metainfo=dict(input_size=(size, size), sample_idx=i))
        sample.gt_instance_labels = InstanceData(
            **{name: value[i : i + 1] for name, value in fields.items()}
        )
        samples.append(sample)
    return dict(inputs=random_images(batch_size, size), data_samples=samples)


def internet_batch(cfg: Config, batch_size: int) -> dict:
    """Random crops with random key points, encoded by InterNet's own codec."""
    random = np.random.default_rng(0)
    codec = KEYPOINT_CODECS.build(cfg.codec)
    samples = []
    for i in range(batch_size):
        keypoints = random.uniform([60, 60, -80], [200, 200, 80], (1, 42, 3))
        encoded = codec.encode(
            keypoints=keypoints.astype(np.float32),
            keypoints_visible=np.ones((1, 42), np.float32),
            dataset_keypoint_weights=None,
            rel_root_depth=np.float32(0),
            rel_root_valid=np.float32(1),
            hand_type=np.ones((1, 2), np.float32),
            hand_type_valid=np.ones(1, np.float32),
            focal=None,
            principal_pt=None,
        )
        sample = PoseDataSample(metainfo=dict(sample_idx=i))
        heatmaps = encoded.pop('heatmaps').astype(np.float32)
        sample.gt_fields = PixelData(heatmaps=torch.from_numpy(heatmaps))
        sample.gt_instance_labels = InstanceData(
            **{
                name: torch.from_numpy(np.asarray(value, np.float32))
                for name, value in encoded.items()
            }
        )
        samples.append(sample)
    return dict(inputs=random_images(batch_size, 256), data_samples=samples)


def random_images(batch_size: int, size: int) -> list[torch.Tensor]:
    """Images (3, size, size) uint8, the same at every call."""
    generator = torch.Generator().manual_seed(1)
    shape = (3, size, size)
    return [
        torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        for _ in range(batch_size)
    ]


def watch_parts(watch: Stopwatch, network, optimiser) -> None:
    """Time the parts of either model by name; what is not named stays in 'other'."""
    watch.wrap(network.data_preprocessor, 'forward', 'preprocessing')
    # The coarsest level: gradients of the others pass through the backbone first.
    watch.wrap(network.backbone, 'forward', 'backbone', lambda levels: levels[-1])
    if hasattr(network, 'refine_head'):
        watch_hand_parts(watch, network)
    else:
        watch.wrap(network.head, 'forward', 'head', lambda outputs: outputs[0])
        watch.wrap(network.head, 'loss', 'losses')
    watch.wrap_backward(optimiser, 'backward', first='losses')
    watch.wrap(optimiser, 'step', 'optimiser')
    watch.wrap(optimiser, 'zero_grad', 'optimiser')


def watch_hand_parts(watch: Stopwatch, network) -> None:
    """Time the parts of HandMeshEstimator, each stage alone."""
    watch.wrap(HandTargets, 'from_samples', 'targets')
    watch.wrap(aux_map_head, 'map_targets', 'targets')
    watch.wrap(network.neck, 'forward', 'neck', lambda levels: levels[0])
    if network.aux_head is not None:
        watch.wrap(network.aux_head, 'forward', 'aux head', lambda maps: maps[1])
        watch.wrap(network.aux_head, 'loss', 'losses')
    watch.wrap(
        network.mano_head, 'forward', 'mano head', lambda hands: hands.state.vertices
    )
    watch.wrap(network.mano_head, 'loss', 'losses')
    refine = network.refine_head
    if refine is None:
        return
    watch.wrap(refine, 'loss', 'losses')
    if hasattr(refine, 'regress_points'):
        watch.wrap(
            refine.regress_points, 'forward', 'regressed points', lambda read: read[1]
        )
    for number, stage in enumerate(refine.stages, start=1):
        watch.wrap(
            stage, 'forward', f'stage {number}', lambda hands: hands.sample_vertices
        )
