"""Detectors through stand-ins of their packages; covariances of unaligned models."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from mmhand_dne.apis.inputs.detectors import build_detector, overlap


def fake_module(monkeypatch, name, **members):
    for depth in range(1, name.count('.') + 2):
        part = '.'.join(name.split('.')[:depth])
        monkeypatch.setitem(sys.modules, part, ModuleType(part))
    vars(sys.modules[name]).update(members)


def test_mmdetections_boxes_are_filtered(monkeypatch):
    asked = {}

    class DetInferencer:
        def __init__(self, model, weights, device, scope, show_progress=True):
            asked.update(model=model, weights=weights, scope=scope, bar=show_progress)

        def __call__(self, image, return_datasamples):
            found = SimpleNamespace(
                bboxes=torch.tensor(
                    [
                        [0.0, 0, 10, 10],
                        [1, 0, 11, 10],
                        [50, 50, 60, 60],
                        [0, 0, 10, 10],
                        [90, 0, 99, 9],
                    ]
                ),
                scores=torch.tensor([0.6, 0.9, 0.8, 0.9, 0.1]),
                labels=torch.tensor([0, 0, 0, 3, 0]),
            )
            return dict(
                predictions=[
                    SimpleNamespace(
                        **{
                            'pred_instances': type(
                                'Found',
                                (),
                                dict(
                                    vars(found),
                                    __getitem__=lambda _, key: getattr(found, key),
                                ),
                            )()
                        }
                    )
                ]
            )

    fake_module(monkeypatch, 'mmdet.apis', DetInferencer=DetInferencer)
    detect = build_detector('rtmdet.py', 'a.pth', None, 'cpu')
    boxes = detect(np.zeros((100, 100, 3), np.uint8), 0.3, 0.3)
    assert [box.corners.tolist() for box in boxes] == [[1, 0, 11, 10], [50, 50, 60, 60]]
    assert {box.kind for box in boxes} == {'tight'} and boxes[0].side is None
    assert asked == dict(model='rtmdet.py', weights='a.pth', scope='mmdet', bar=False)


def test_mediapipes_mirrored_sides_are_turned_back(monkeypatch):
    marks = [SimpleNamespace(x=x, y=0.5 * x) for x in np.linspace(0.2, 0.6, 21)]
    guess = SimpleNamespace(label='Right', score=0.9)

    class Hands:
        def __init__(self, **_):
            pass

        def process(self, image):
            assert image[0, 0].tolist() == [3, 2, 1]  # RGB
            return SimpleNamespace(
                multi_hand_landmarks=[SimpleNamespace(landmark=marks)],
                multi_handedness=[SimpleNamespace(classification=[guess])],
            )

    fake_module(monkeypatch, 'mediapipe.python.solutions.hands', Hands=Hands)
    image = np.zeros((100, 200, 3), np.uint8)
    image[:] = 1, 2, 3
    detect = build_detector('mediapipe')
    [box] = detect(image, 0.3, 0.3)
    assert box.side == 'left' and box.kind == 'tight'
    assert box.corners == pytest.approx([39.5, 9.5, 119.5, 29.5])
    assert detect(image, 0.95, 0.3) == []


def test_overlap():
    assert overlap(np.array([0, 0, 2, 2.0]), np.array([1, 0, 3, 2.0])) == (
        pytest.approx(1 / 3)
    )
    assert overlap(np.array([0, 0, 1, 1.0]), np.array([2, 2, 3, 3.0])) == 0
    assert build_detector('whole_image') is None
