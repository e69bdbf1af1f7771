"""Predictions of a batch as MMPose data samples."""

import logging
from functools import cache

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from mmhand_dne.gaussian.joint_gaussian import JointGaussian
from mmhand_dne.geometry.camera import (
    metric_translation,
    ndc_to_pixels,
    perspective_translation,
    project,
)
from mmhand_dne.structures.hand_state import HandOutputs, HandState
from mmhand_dne.structures.mmpose_predictions import interhand_prediction

from .one_hand_slot import NUM_SLOTS, padded


def final_state(outputs: HandOutputs) -> HandState:
    """The last stage's hands, or the coarse ones of a baseline."""
    return outputs.refined[-1].state if outputs.refined else outputs.coarse.state


def crop_intrinsics(data_samples: list, like: Tensor) -> Tensor:
    """(B, 3, 3) intrinsics of the crops, pixels."""
    rows = [sample.gt_instance_labels.crop_intrinsics[0] for sample in data_samples]
    return torch.stack(rows).to(like)


@cache
def say_once(text: str) -> None:
    """Log a warning, the first time only."""
    print_log(text, 'current', level=logging.WARNING)


def metric_roots(outputs: HandOutputs, data_samples: list) -> Tensor:
    """Origins of the predicted points in camera metres, (B, S, 3); NaN if s <= 0.

    Where their mesh, or the joints of a regressor with a camera of its own, have to
    stand to be seen where they are predicted.
    """
    state = final_state(outputs)
    size = data_samples[0].metainfo['input_size']
    intrinsics = crop_intrinsics(data_samples, state.camera)[:, None].expand(
        -1, state.camera.shape[1], -1, -1
    )
    roots = metric_translation(state.vertices, state.camera, intrinsics, size)
    if not outputs.refined and outputs.coarse.joints_ndc is not None:
        pixels = ndc_to_pixels(outputs.coarse.joints_ndc, size)
        own = perspective_translation(state.joints, pixels, intrinsics)
        roots = torch.where(roots.isnan(), roots, own)
    if roots.isnan().any():
        say_once(
            'a predicted camera scale is not positive: the hand has no metric '
            'position (NaN); this is said once'
        )
    return roots


def projected_joints(outputs: HandOutputs) -> Tensor:
    """(B, S, J, 2) crop NDC, through the regressor's own camera if it has one."""
    if not outputs.refined and outputs.coarse.joints_ndc is not None:
        return outputs.coarse.joints_ndc
    state = final_state(outputs)
    return project(state.joints, state.camera)


def stage_fields(outputs: HandOutputs) -> dict[str, Tensor]:
    """Coarse and per-stage meshes by their names in ``pred_instances``."""
    states = {'coarse': outputs.coarse.state}
    states.update(
        {f'stage{i}': stage.state for i, stage in enumerate(outputs.refined, start=1)}
    )
    fields = {
        f'stage{i}_points_ndc': stage.points_ndc
        for i, stage in enumerate(outputs.refined, start=1)
    }
    for name, state in states.items():
        fields[f'{name}_vertices'] = state.vertices
        fields[f'{name}_joints'] = state.joints
        fields[f'{name}_camera'] = state.camera
    return fields


def uncertainty_fields(hands: JointGaussian, joint_std: Tensor) -> dict[str, Tensor]:
    """Error bars by their names in ``pred_instances``.

    Args:
        hands: (B, S) densities over d coordinates.
        joint_std: (B, S, J) metres.
    """
    return dict(hand_joint_covariance=hands.covariance(), hand_joint_std=joint_std)


def _arrays(fields: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Two slots each, as float32 arrays."""
    return {
        name: padded(value.detach().float()).cpu().numpy()
        for name, value in fields.items()
    }


def pack_predictions(
    outputs: HandOutputs,
    data_samples: list,
    with_maps: bool,
    error_bars: dict[str, Tensor],
) -> list:
    """Attach ``pred_instances`` and, if asked, ``pred_fields`` to the samples.

    Args:
        outputs: of the batch; of a one-hand model, the second slot is filled with
            zeros.
        data_samples: (B) samples; their metainfo tells crop from image.
        with_maps: add the auxiliary maps.
        error_bars: :func:`uncertainty_fields`, or nothing.
    """
    state, coarse = final_state(outputs), outputs.coarse
    arrays = _arrays(
        dict(
            hand_vertices=state.vertices,
            hand_joints=state.joints,
            hand_root=state.root,
            hand_camera=state.camera,
            hand_root_cam=metric_roots(outputs, data_samples),
            hand_presence=coarse.presence_logits.sigmoid(),
            mano_rotations=coarse.rotations,
            mano_betas=coarse.betas,
            **stage_fields(outputs),
            **error_bars,
        )
    )
    joints_ndc = _arrays(dict(ndc=projected_joints(outputs)))['ndc']
    pair = state.joints.shape[1] == NUM_SLOTS
    for i, sample in enumerate(data_samples):
        sample.pred_instances = InstanceData(
            **{name: value[i : i + 1] for name, value in arrays.items()},
            **interhand_prediction(
                arrays['hand_joints'][i],
                joints_ndc[i],
                arrays['hand_presence'][i],
                arrays['hand_root_cam'][i] if pair else None,
                sample.metainfo,
            ),
        )
        if with_maps and outputs.maps is not None:
            sample.pred_fields = PixelData(
                **{
                    name: value[i].detach().float().cpu()
                    for name, value in outputs.maps._asdict().items()
                }
            )
    return data_samples
