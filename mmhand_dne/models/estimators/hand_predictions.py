"""Predictions of a batch as MMPose data samples."""
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData

from mmhand_dne.evaluation.functional.interhand_fields import interhand_prediction
from mmhand_dne.geometry.camera import metric_translation, project


def final_state(outputs):
    """The last stage's hands, or the coarse ones of a baseline."""
    return outputs.refined[-1].state if outputs.refined else outputs.coarse.state


def crop_intrinsics(data_samples, like: torch.Tensor) -> torch.Tensor:
    """(B, 3, 3) intrinsics of the crops, pixels."""
    rows = [sample.gt_instance_labels.crop_intrinsics[0] for sample in data_samples]
    return torch.stack(rows).to(like)


def metric_roots(outputs, data_samples, size: int) -> torch.Tensor:
    """Wrists in camera metres from the predicted cameras, (B, H, 3); NaN if s <= 0."""
    camera = final_state(outputs).camera
    intrinsics = crop_intrinsics(data_samples, camera)[:, None].expand(
        -1, camera.shape[1], -1, -1)
    roots = metric_translation(camera, intrinsics, size)
    if roots.isnan().any():
        print_log(
            'a predicted camera scale is not positive: the hand has no metric '
            'position (NaN)', 'current', level=30)
    return roots


def stage_fields(outputs) -> dict[str, torch.Tensor]:
    """Coarse and per-stage meshes by their names in ``pred_instances``."""
    states = {'coarse': outputs.coarse.state}
    states.update({f'stage{i}': stage.state
                   for i, stage in enumerate(outputs.refined, start=1)})
    fields = {f'stage{i}_points_ndc': stage.points_ndc
              for i, stage in enumerate(outputs.refined, start=1)}
    for name, state in states.items():
        fields[f'{name}_vertices'] = state.vertices
        fields[f'{name}_joints'] = state.joints
        fields[f'{name}_camera'] = state.camera
    return fields


def pack_predictions(outputs, data_samples, size: int, with_maps: bool) -> list:
    """Attach ``pred_instances`` and, if asked, ``pred_fields`` to the samples.

    Args:
        outputs: ``HandOutputs`` of the batch.
        data_samples: (B) samples; their metainfo tells crop from image.
        size: side of the crop, pixels.
        with_maps: add the auxiliary maps.
    """
    state, coarse = final_state(outputs), outputs.coarse
    roots = metric_roots(outputs, data_samples, size)
    presence = coarse.presence_logits.sigmoid()
    fields = dict(
        hand_vertices=state.vertices, hand_joints=state.joints,
        hand_camera=state.camera, hand_root_cam=roots, hand_presence=presence,
        mano_rotations=coarse.rotations, mano_betas=coarse.betas,
        **stage_fields(outputs))
    joints_ndc = project(state.joints, state.camera)
    arrays = {name: value.detach().float().cpu().numpy()
              for name, value in fields.items()}
    joints_ndc = joints_ndc.detach().float().cpu().numpy()
    for i, sample in enumerate(data_samples):
        sample.pred_instances = InstanceData(
            **{name: value[i:i + 1] for name, value in arrays.items()},
            **interhand_prediction(
                arrays['hand_joints'][i], joints_ndc[i], arrays['hand_presence'][i],
                arrays['hand_root_cam'][i], sample.metainfo))
        if with_maps and outputs.maps is not None:
            sample.pred_fields = PixelData(
                **{name: value[i].detach().float().cpu()
                   for name, value in outputs.maps._asdict().items()})
    return data_samples
