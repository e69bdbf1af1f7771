"""Models for machines without PyTorch."""

import torch

if not hasattr(torch.library, 'custom_op'):
    raise ImportError(
        f'torch {torch.__version__} cannot hold the operators that the '
        'ONNX export needs; install torch >= 2.5'
    )

# isort: split
from .description import describe
from .hand_network import HandNetwork
from .onnx_check import Mismatch, check_onnx
from .onnx_export import export_onnx
from .onnx_parts import exportable

__all__ = [
    'HandNetwork',
    'Mismatch',
    'check_onnx',
    'describe',
    'export_onnx',
    'exportable',
]
