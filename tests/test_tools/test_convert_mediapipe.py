import hashlib
import sys
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from mmhand_dne.models.detectors import HandLandmarker, PalmDetector
from tools.model_converters import convert_mediapipe as tool
from tools.model_converters.tflite_layers import (
    TFLiteLayer,
    check_operators,
    load_tflite,
)


class Small(nn.Module):
    """Runs its layers in another order than it names them."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.act = nn.PReLU(4)
        self.first = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, image):
        return self.last(self.act(self.first(image)).mean((-2, -1)))


def layers(scale=1.0, stride=2):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return (rng.integers(-8, 9, shape) / 8 * scale).astype(np.float32)

    return [
        TFLiteLayer('CONV_2D', draw(4, 3, 3, 3), draw(4), stride),
        TFLiteLayer('PRELU', draw(4), None, 1),
        TFLiteLayer('FULLY_CONNECTED', draw(2, 4), draw(2), 1),
    ]


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as ended:
        tool.main([str(arg) for arg in args])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_layers_go_to_modules_in_the_order_in_which_they_run():
    state = tool.state_of(Small(), 8, layers())
    conv, act, last = layers()
    np.testing.assert_array_equal(state['first.weight'], conv.weight)
    np.testing.assert_array_equal(state['first.bias'], conv.bias)
    np.testing.assert_array_equal(state['act.weight'], act.weight)
    np.testing.assert_array_equal(state['last.weight'], last.weight)
    assert {value.dtype for value in state.values()} == {torch.float16}
    Small().load_state_dict(state)


def test_what_float16_cannot_hold_is_refused():
    with pytest.raises(ValueError, match='first holds numbers that float16 does not'):
        tool.state_of(Small(), 8, layers(scale=1 / 3))


@pytest.mark.parametrize(
    ('changed', 'sentence'),
    [
        (layers(stride=1), 'layer first is .* with stride 1, expected'),
        (layers()[:2], '2 layers with weights, expected 3'),
        (layers()[::-1], 'layer first is .*FULLY_CONNECTED'),
    ],
)
def test_layers_of_another_network_are_refused(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        tool.state_of(Small(), 8, changed)


def test_an_unknown_operator_is_refused():
    check_operators({'CONV_2D', 'ADD', 'DEQUANTIZE'})
    with pytest.raises(ValueError, match=r"operators \['CUSTOM', 'SOFTMAX'\]"):
        check_operators({'CONV_2D', 'SOFTMAX', 'CUSTOM'})


def test_a_wheel_of_another_version_is_refused(tmp_path, capsys):
    wheel = tmp_path / 'mediapipe-0.10.5.whl'
    with zipfile.ZipFile(wheel, 'w') as archive:
        archive.writestr('mediapipe/modules/x/palm_detection_full.tflite', b'other')
    line = refusal(capsys, wheel, tmp_path / 'out.pth')
    checksum = hashlib.sha256(b'other').hexdigest()[:12]
    assert f'palm_detection_full.tflite has the SHA-256 {checksum}' in line
    assert not (tmp_path / 'out.pth').exists()


def test_a_wheel_without_networks_is_refused(tmp_path, capsys):
    wheel = tmp_path / 'mediapipe-0.10.35.whl'
    with zipfile.ZipFile(wheel, 'w') as archive:
        archive.writestr('mediapipe/__init__.py', '')
    line = refusal(capsys, wheel, tmp_path / 'out.pth')
    assert 'holds no palm_detection_full.tflite and hand_landmark_full.tflite' in line


def test_what_is_no_wheel_is_refused(tmp_path, capsys):
    (tmp_path / 'wheel.whl').write_bytes(b'no zip archive')
    out = tmp_path / 'out.pth'
    assert 'is no wheel' in refusal(capsys, tmp_path / 'wheel.whl', out)
    assert 'does not exist' in refusal(capsys, tmp_path / 'absent.whl', out)
    assert 'holds no' in refusal(capsys, tmp_path, out)
    assert 'end in .pth' in refusal(capsys, tmp_path, tmp_path / 'out.pt')


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tflite', None)
    with pytest.raises(ModuleNotFoundError, match='pip install tflite'):
        load_tflite()


def test_both_networks_are_converted_without_loss(
    mediapipe_source, tmp_path, capsys, mediapipe_networks
):
    tool.main([str(mediapipe_source), str(tmp_path / 'out.pth')])
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    PalmDetector().load_state_dict(content['palm_detector'])
    HandLandmarker().load_state_dict(content['hand_landmarker'])
    assert content['meta']['source'] == 'mediapipe 0.10.21'
    printed = capsys.readouterr().out
    assert '1,136,248 numbers' in printed and '2,715,680 numbers' in printed
    assert (tmp_path / 'out.pth').stat().st_size < 8e6


def test_a_wheel_is_read_like_its_folder(mediapipe_source, tmp_path):
    files = tool.read_files(mediapipe_source)
    with zipfile.ZipFile(tmp_path / 'some.whl', 'w') as archive:
        for name, content in files.items():
            archive.writestr(f'mediapipe/modules/{name[:4]}/{name}', content)
    assert tool.read_files(tmp_path / 'some.whl') == files
    assert set(tool.known_networks(files, 'it')) == set(tool.NETWORKS)
