import numpy as np
import pytest
import torch

from mmhand_dne.models.layers.same_conv import SameConv2d


def place(index, stride, kernel, length):
    """First input pixel under the kernel, from TensorFlow's definition of 'SAME'."""
    out = int(np.ceil(length / stride))
    total = max((out - 1) * stride + kernel - length, 0)
    return index * stride - total // 2, out


def slow_conv(image, weight, bias, stride):
    """(C, H, W) by loops; weight (out, in of its group, k, k)."""
    kernel, depthwise = weight.shape[-1], weight.shape[1] == 1 and len(image) > 1
    _, high = place(0, stride, kernel, image.shape[1])
    _, wide = place(0, stride, kernel, image.shape[2])
    found = np.zeros((len(weight), high, wide))
    for c, y, x in np.ndindex(found.shape):
        top, left = (
            place(index, stride, kernel, length)[0]
            for index, length in zip((y, x), image.shape[1:])
        )
        for i, j in np.ndindex(kernel, kernel):
            row, column = top + i, left + j
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                seen = image[c : c + 1] if depthwise else image
                found[c, y, x] += seen[:, row, column] @ weight[c, :, i, j]
    return found + bias[:, None, None]


@pytest.mark.parametrize('depthwise', [False, True])
@pytest.mark.parametrize(('kernel', 'stride'), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize('size', [(8, 6), (7, 9)])
def test_padding_is_tensorflows_same(size, kernel, stride, depthwise):
    torch.manual_seed(0)
    conv = SameConv2d(4, 4, kernel, stride, depthwise).double()
    image = torch.randn(2, 4, *size, dtype=torch.float64)
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    expected = [slow_conv(each, weight, bias, stride) for each in image.numpy()]
    np.testing.assert_allclose(conv(image).detach(), expected, atol=1e-12)
