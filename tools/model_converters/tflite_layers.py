"""The layers with weights of a TensorFlow Lite file, in the order in which they run."""

from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np

from mmhand_dne.errors import UserError

CONSTANTS = 'DEQUANTIZE'  # of float16 weights, which are kept as they are
# What makes torch's weights of TensorFlow's: conv (out, h, w, in), depthwise
# (1, h, w, channels), dense (out, in), PReLU (1, 1, channels).
TORCH_AXES = {
    'CONV_2D': (0, 3, 1, 2),
    'DEPTHWISE_CONV_2D': (3, 0, 1, 2),
    'FULLY_CONNECTED': (0, 1),
    'PRELU': (2, 0, 1),
}
WITHOUT_WEIGHTS = {
    'ADD',
    'CONCATENATION',
    'LOGISTIC',
    'MAX_POOL_2D',
    'MEAN',
    'PAD',
    'RESHAPE',
    'RESIZE_BILINEAR',
}
KNOWN = {CONSTANTS, *TORCH_AXES, *WITHOUT_WEIGHTS}


class TFLiteLayer(NamedTuple):
    """One operator with weights.

    Attributes:
        operator: TensorFlow Lite's name of it.
        weight: float32, torch's axes.
        bias: (out,) float32; None for PReLU.
        stride: of a convolution, else 1.
    """

    operator: str
    weight: np.ndarray
    bias: np.ndarray | None
    stride: int


def load_tflite() -> ModuleType:
    """The package that reads the format.

    Raises:
        ModuleNotFoundError: it is not installed; says how to install it.
    """
    try:
        import tflite
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "MediaPipe's networks are read with the package tflite, which is not "
            'installed; run: pip install tflite'
        ) from error
    return tflite


def check_operators(names: set[str]) -> None:
    """Raises a ``ValueError`` on an operator that the modules do not have."""
    if names - KNOWN:
        raise UserError(
            f'the network has the operators {sorted(names - KNOWN)}, expected only '
            f'{sorted(KNOWN)}; pass the files of mediapipe 0.10.21'
        )


def read_layers(content: bytes) -> list[TFLiteLayer]:
    """All layers with weights, first run first.

    Args:
        content: of a .tflite file with one graph and float16 or float32 weights.
    Raises:
        ValueError: it has an operator that is not known here.
        ModuleNotFoundError: the package tflite is not installed.
    """
    tflite = load_tflite()
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    names = {
        value: name
        for name, value in vars(tflite.BuiltinOperator).items()
        if isinstance(value, int)
    }
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    codes = [model.OperatorCodes(each.OpcodeIndex()) for each in operators]
    kinds = [names[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())] for c in codes]
    check_operators(set(kinds))
    constants = dict(read_constants(tflite, model))
    layers = []
    for kind, operator in zip(kinds, operators):
        if kind == CONSTANTS and operator.Inputs(0) in constants:
            constants[operator.Outputs(0)] = constants[operator.Inputs(0)]
        elif kind in TORCH_AXES:
            layers.append(read_layer(tflite, kind, operator, constants))
    return layers


def read_constants(tflite: ModuleType, model) -> Iterator[tuple[int, np.ndarray]]:
    """Number and float32 values of each constant tensor of floating point."""
    types = {tflite.TensorType.FLOAT32: '<f4', tflite.TensorType.FLOAT16: '<f2'}
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength() and tensor.Type() in types:
            values = np.frombuffer(buffer.DataAsNumpy(), types[tensor.Type()])
            yield index, values.astype(np.float32).reshape(tensor.ShapeAsNumpy())


def read_layer(
    tflite: ModuleType, kind: str, operator, constants: dict[int, np.ndarray]
) -> TFLiteLayer:
    """One operator with its weights; arguments as in :func:`read_layers`."""
    weight = constants[operator.Inputs(1)].transpose(TORCH_AXES[kind])
    if kind == 'PRELU':
        return TFLiteLayer(kind, weight.reshape(-1), None, 1)
    options = {
        'CONV_2D': tflite.Conv2DOptions,
        'DEPTHWISE_CONV_2D': tflite.DepthwiseConv2DOptions,
    }
    stride = 1
    if kind in options:
        table, read = operator.BuiltinOptions(), options[kind]()
        read.Init(table.Bytes, table.Pos)
        stride = read.StrideH()
    return TFLiteLayer(kind, weight, constants[operator.Inputs(2)], stride)
