"""Cached feature maps to the device as one batch."""

import torch
from mmengine.model import BaseDataPreprocessor
from mmpose.registry import MODELS


@MODELS.register_module()
class CachedFeaturesPreprocessor(BaseDataPreprocessor):
    """Stack the entries of :class:`CachedHandDataset`; nothing is normalised.

    Ground truth stays where it is, as in :class:`HandDataPreprocessor`.

    Example:
        >>> preprocess = CachedFeaturesPreprocessor()
        >>> data = dict(inputs=[torch.rand(6).half()] * 2, data_samples=[])
        >>> preprocess(data)['inputs'].shape, preprocess(data)['inputs'].dtype
        (torch.Size([2, 6]), torch.float32)
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """``inputs`` of (K,) float16 -> (B, K) float32 on the device."""
        inputs = torch.stack(list(data['inputs']))
        inputs = self.cast_data(inputs).float()
        return dict(inputs=inputs, data_samples=data.get('data_samples'))
