"""A model whose regressed hands follow their landmarks before they are refined."""

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from tests.fake_samples import one_hand_samples

CROP = 224
TOKEN = 32


@pytest.fixture
def model(request):
    cfg = Config.fromfile(str(request.config.rootpath / 'configs/dne_real.py')).model
    cfg.landmark_refit = dict(type='LandmarkRefit')
    cfg.hand_token = dict(type='LandmarkGapToken')
    cfg.mano_head.hidden_channels = TOKEN
    cfg.uncertainty_head.update(in_channels=TOKEN + 63, image_loss=True)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    torch.nn.init.uniform_(model.mano_head.readout.points.bias, 60, 160)
    return model


def images():
    return torch.rand(2, 3, CROP, CROP, generator=torch.Generator().manual_seed(1))


def test_refining_starts_from_the_refitted_hands(model):
    with torch.no_grad():
        outputs = model.eval().run_heads(images())
        regressed = model.mano_head(model.extract_feat(images())[-1])
        wanted = model.landmark_refit(regressed)
    torch.testing.assert_close(outputs.regressed.betas, regressed.betas)
    torch.testing.assert_close(outputs.coarse.betas, wanted.betas)
    torch.testing.assert_close(outputs.coarse.state.vertices, wanted.state.vertices)
    moved = (wanted.state.joints - regressed.state.joints).norm(dim=-1)
    assert moved.max() > 1e-4


def test_the_regressor_is_taught_by_its_own_hands(model):
    losses = model.train().loss(images(), one_hand_samples(size=CROP))
    assert losses['loss_image_nll'] == 0  # both have joints in space
    loss = losses['loss_theta'] + losses['coarse.loss_joints']
    grad = torch.autograd.grad(loss, model.mano_head.numbers.weight)[0]
    assert grad.abs().max() > 0


def test_a_baseline_in_training_is_not_refitted(model):
    model.train().refines_in_training = False
    try:
        assert model.run_heads(images()).regressed is None
    finally:
        model.refines_in_training = True
