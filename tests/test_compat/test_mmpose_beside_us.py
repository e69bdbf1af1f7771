"""MMPose's own models and messages stay what they are beside the plug-in."""

from pathlib import Path

import mmpose
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import mmhand_dne  # noqa: F401

INTERNET = (
    'configs/hand_3d_keypoint/internet/interhand3d/'
    'internet_res50_4xb16-20e_interhand3d-256x256.py'
)


def test_internet_builds_and_runs_in_the_same_process():
    config = Config.fromfile(Path(mmpose.__file__).parent / '.mim' / INTERNET)
    init_default_scope(config.default_scope)
    config.model.backbone.init_cfg = None  # no download
    model = MODELS.build(config.model).eval()
    with torch.no_grad():
        heatmaps, root_depth, hand_type = model(torch.zeros(1, 3, 256, 256), None)
    assert heatmaps.shape == (1, 42, 64, 64, 64)
    assert root_depth.shape == (1, 1) and hand_type.shape == (1, 2)
    assert all(torch.isfinite(x).all() for x in (heatmaps, root_depth, hand_type))


def test_an_unknown_registry_name_is_named_with_its_registry():
    with pytest.raises(KeyError, match='NoSuchHead is not in the mmpose::model'):
        MODELS.build(dict(type='NoSuchHead'))
