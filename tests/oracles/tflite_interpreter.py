"""Runs a TensorFlow Lite graph in NumPy, operator by operator, as its schema says.

Slow, and independent of the modules and of the converter: it reads the graph's own
wiring, paddings and activations. Arrays are (1, H, W, C), of float64.
"""

import numpy as np
import tflite

SAME, RELU, RELU6 = 0, 1, 3
TYPES = {0: '<f4', 1: '<f2', 2: '<i4'}
NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}


class Interpreter:
    """``Interpreter(content).run(image)`` -> the outputs, in the file's order."""

    def __init__(self, content):
        self.model = tflite.Model.GetRootAs(content, 0)
        self.graph = self.model.Subgraphs(0)

    def constants(self):
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            buffer = self.model.Buffers(tensor.Buffer())
            if buffer.DataLength():
                flat = np.frombuffer(buffer.DataAsNumpy(), TYPES[tensor.Type()])
                shape = [tensor.Shape(k) for k in range(tensor.ShapeLength())]
                yield i, flat.reshape(shape).astype(np.float64)

    def run(self, image):
        """image: (1, H, W, 3)."""
        values = dict(self.constants())
        values[self.graph.Inputs(0)] = np.asarray(image, np.float64)
        for i in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            name = NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            numbers = operator.InputsAsNumpy()
            shape = self.graph.Tensors(operator.Outputs(0)).ShapeAsNumpy()
            values[operator.Outputs(0)] = globals()[name](
                operator, shape, *(values[k] for k in numbers)
            )
        outputs = range(self.graph.OutputsLength())
        return [values[self.graph.Outputs(k)] for k in outputs]


def options(operator, kind):
    table, read = operator.BuiltinOptions(), kind()
    read.Init(table.Bytes, table.Pos)
    return read


def activated(values, kind):
    if kind == RELU:
        return np.maximum(values, 0)
    return np.clip(values, 0, 6) if kind == RELU6 else values


def windows(image, kernel, stride, padding, fill=0.0):
    """Yields for each place of the kernel what it meets, (1, h, w, C)."""
    sizes = np.array(image.shape[1:3])
    kernel = np.array(kernel)
    if padding == SAME:
        out = -(-sizes // stride)
        total = np.maximum((out - 1) * stride + kernel - sizes, 0)
        pads = [(t // 2, t - t // 2) for t in total]
        image = np.pad(image, [(0, 0), *pads, (0, 0)], constant_values=fill)
    else:
        out = (sizes - kernel) // stride + 1
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            rows = slice(row, row + (out[0] - 1) * stride + 1, stride)
            columns = slice(column, column + (out[1] - 1) * stride + 1, stride)
            yield row, column, image[:, rows, columns]


def CONV_2D(operator, shape, image, weight, bias):
    read = options(operator, tflite.Conv2DOptions)
    steps = windows(image, weight.shape[1:3], read.StrideH(), read.Padding())
    total = sum(part @ weight[:, row, column].T for row, column, part in steps)
    return activated(total + bias, read.FusedActivationFunction())


def DEPTHWISE_CONV_2D(operator, shape, image, weight, bias):
    read = options(operator, tflite.DepthwiseConv2DOptions)
    steps = windows(image, weight.shape[1:3], read.StrideH(), read.Padding())
    total = sum(part * weight[0, row, column] for row, column, part in steps)
    return activated(total + bias, read.FusedActivationFunction())


def FULLY_CONNECTED(operator, shape, values, weight, bias):
    read = options(operator, tflite.FullyConnectedOptions)
    return activated(values @ weight.T + bias, read.FusedActivationFunction())


def ADD(operator, shape, one, other):
    read = options(operator, tflite.AddOptions)
    return activated(one + other, read.FusedActivationFunction())


def MAX_POOL_2D(operator, shape, image):
    read = options(operator, tflite.Pool2DOptions)
    kernel = (read.FilterHeight(), read.FilterWidth())
    steps = windows(image, kernel, read.StrideH(), read.Padding(), -np.inf)
    return np.max([part for *_, part in steps], axis=0)


def RESIZE_BILINEAR(operator, shape, image, size):
    read = options(operator, tflite.ResizeBilinearOptions)
    assert read.HalfPixelCenters() and not read.AlignCorners()
    for axis, length in zip((1, 2), size.astype(int)):
        old = image.shape[axis]
        place = ((np.arange(length) + 0.5) * old / length - 0.5).clip(0, old - 1)
        low = np.floor(place).astype(int)
        share = np.expand_dims(place - low, [a for a in range(4) if a != axis])
        high = np.minimum(low + 1, old - 1)
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


def DEQUANTIZE(operator, shape, values):
    return values


def PRELU(operator, shape, values, slope):
    return np.where(values < 0, values * slope, values)


def MEAN(operator, shape, values, axes):
    return values.mean(tuple(axes.astype(int))).reshape(shape)


def LOGISTIC(operator, shape, values):
    return 1 / (1 + np.exp(-values))


def PAD(operator, shape, values, amounts):
    return np.pad(values, amounts.astype(int))


def RESHAPE(operator, shape, values, *_):
    return values.reshape(shape)


def CONCATENATION(operator, shape, *values):
    axis = options(operator, tflite.ConcatenationOptions).Axis()
    return np.concatenate(values, axis)
