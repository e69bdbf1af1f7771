"""Models for machines without PyTorch."""

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
