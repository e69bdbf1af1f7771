"""A model as one function of crops, from bytes to meshes."""

import torch
from torch import Tensor, nn

from mmhand_dne.models.estimators.hand_predictions import (
    final_state,
    projected_joints,
)
from mmhand_dne.models.estimators.mirroring import average_with_mirrored
from mmhand_dne.structures.hand_state import HandOutputs


class HandNetwork(nn.Module):
    """What is exported: normalisation, network, MANO layer, error bars.

    It reads the weights of a :class:`HandMeshEstimator` and gives the numbers of its
    ``predict``, ``test_cfg.flip_test`` included, without data samples.

    Args:
        model: in evaluation mode.

    Example:
        >>> network = HandNetwork(model.eval())
        >>> network(torch.zeros(1, 128, 128, 3, dtype=torch.uint8))['vertices'].shape
        torch.Size([1, 2, 778, 3])
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        preprocessor = model.data_preprocessor
        # Data sets hand over BGR as OpenCV reads it; crops here are RGB.
        self.bgr = not getattr(preprocessor, '_channel_conversion', False)
        mean, std = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
        if getattr(preprocessor, '_enable_normalize', False):
            mean, std = preprocessor.mean, preprocessor.std
        self.register_buffer('pixel_mean', mean.clone(), False)
        self.register_buffer('pixel_std', std.clone(), False)

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """Crops to hands.

        Args:
            crops: (N, H, W, 3) uint8 RGB.
        Returns: those of ``description.OUTPUTS`` that the model has, (N, S, ...).
        """
        inputs = crops.permute(0, 3, 1, 2).float()
        if self.bgr:
            inputs = inputs.flip(1)
        inputs = (inputs - self.pixel_mean) / self.pixel_std
        outputs = self.model.run_heads(inputs)
        if self.model.test_cfg.get('flip_test', False):
            outputs = average_with_mirrored(
                outputs, self.model.run_heads(inputs.flip(-1))
            )
        return self.named(outputs)

    def named(self, outputs: HandOutputs) -> dict[str, Tensor]:
        """``HandOutputs`` by the names of the exported file, float32."""
        state, coarse = final_state(outputs), outputs.coarse
        # HaMeR's logit is infinite, which some tools fold to NaN; e^-30 is nothing.
        presence = coarse.presence_logits.clamp(-30, 30).sigmoid()
        fields = dict(
            vertices=state.vertices,
            joints=state.joints,
            camera=state.camera,
            presence=presence,
            rotations=coarse.rotations,
            betas=coarse.betas,
            joints_ndc=projected_joints(outputs),
        )
        if coarse.weak_camera is not None:  # HaMeR's, which needs the MANO frame
            fields.update(weak_camera=coarse.weak_camera, root=state.root)
        if outputs.refined:
            fields.update(
                coarse_vertices=coarse.state.vertices,
                coarse_joints=coarse.state.joints,
                coarse_camera=coarse.state.camera,
            )
        bars = self.model.error_bars(outputs)
        if bars:
            fields.update(
                joint_covariance=bars['hand_joint_covariance'],
                joint_std=bars['hand_joint_std'],
            )
        return {name: value.float() for name, value in fields.items()}
