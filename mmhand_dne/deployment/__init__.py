"""Models for machines without PyTorch."""

from .description import describe
from .finder_export import export_finder, finder_files
from .hand_network import HandNetwork
from .onnx_check import Mismatch, check_onnx
from .onnx_export import export_onnx
from .onnx_parts import exportable

__all__ = [
    'HandNetwork',
    'Mismatch',
    'check_onnx',
    'describe',
    'export_finder',
    'export_onnx',
    'exportable',
    'finder_files',
]
