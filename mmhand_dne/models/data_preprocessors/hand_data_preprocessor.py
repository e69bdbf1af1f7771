"""Images to the device as one batch; their ground truth follows in one transfer."""

from typing import Any

import torch
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS


@MODELS.register_module()
class HandDataPreprocessor(PoseDataPreprocessor):
    """MMPose's preprocessor without a copy for every tensor of every sample.

    A batch of 30 samples carries about a thousand small tensors of ground truth.
    MMPose's class moves each to the device; here they stay, and
    :meth:`HandTargets.from_samples` moves what the model reads as one tensor. Crops of
    one size are stacked as bytes before they are moved and normalised.

    Arguments, results: see ``PoseDataPreprocessor``; the numbers are the same.

    Example:
        >>> preprocess = HandDataPreprocessor(mean=[0., 0, 0], std=[1., 1, 1])
        >>> images = [torch.zeros(3, 8, 8, dtype=torch.uint8)] * 2
        >>> preprocess(dict(inputs=images, data_samples=[]))['inputs'].shape
        torch.Size([2, 3, 8, 8])
    """

    def cast_data(self, data: Any) -> Any:
        """Inputs on the device, stacked where they have one size; samples as given.

        What else a set adds, as MMPose's ``CombinedDataset`` does, goes no further.
        """
        if not isinstance(data, dict):  # MMEngine's comes back here for each image
            return super().cast_data(data)
        inputs = data['inputs']
        if not isinstance(inputs, torch.Tensor):
            if len({image.shape for image in inputs}) == 1:
                inputs = torch.stack(list(inputs))
        data_samples = data.get('data_samples')
        return dict(inputs=super().cast_data(inputs), data_samples=data_samples)
