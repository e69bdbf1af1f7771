"""Operations and parameters, counted through the three views."""

from mmengine.config import Config
from mmengine.model import BaseModel
from mmpose.registry import MODELS
from pytest import approx
from torch import nn

from tools.analysis_tools.get_flops import count


@MODELS.register_module()
class OneConvolution(BaseModel):
    """3 to 4 channels, 3x3, with a bias."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.convolution(inputs)


def test_a_convolution_is_counted_as_by_hand():
    cfg = Config(dict(model=dict(type='OneConvolution')))
    parts, total, parameters = count(cfg, (8, 16))
    assert total == 2 * 27 * 4 * 128 and parameters == 27 * 4 + 4
    assert parts == dict(convolution=total)


def test_the_whole_model_of_the_quick_start_is_counted(tool):
    status, out, error = tool('analysis_tools/get_flops.py', 'dne_rendered')
    assert status == 0, error
    rows = dict(line.rsplit(maxsplit=2)[:2] for line in out.strip().splitlines())
    parts = {key.strip(): float(value) for key, value in rows.items()}
    total = parts.pop('all, one crop of 128')
    assert parts.pop('parameters') > 0.5
    assert {'backbone', 'neck', 'aux_head', 'mano_head', 'refine_head'} <= set(parts)
    assert sum(parts.values()) == approx(total, rel=0.05)
