"""The shipped model's training on photos: hands that turn with their crops."""

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmhand_dne.models.estimators.hand_mesh_estimator import black_of
from tests.fake_samples import fake_labels, one_hand_samples

CROP = 224
VIEW = {f'view.loss_{name}' for name in ('theta', 'beta', 'joints', 'joints_2d')}
NO_3D = ('hand_vertices_valid', 'hand_joints_valid', 'mano_valid')


@pytest.fixture(scope='module')
def config(request):
    path = request.config.rootpath / 'configs/dne_real.py'
    return Config.fromfile(str(path)).model


@pytest.fixture(scope='module')
def model(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    torch.nn.init.uniform_(model.mano_head.readout.points.bias, 60, 160)
    return model


def images():
    return torch.rand(3, 3, CROP, CROP, generator=torch.Generator().manual_seed(1))


def samples(photos):
    labels = fake_labels(len(photos), CROP)
    for name in NO_3D:
        labels[name][[i for i, photo in enumerate(photos) if photo]] = 0
    return one_hand_samples(len(photos), CROP, **{n: labels[n] for n in NO_3D})


def losses_of(model, photos=(True, False, True), refines=True):
    torch.manual_seed(0)
    model.train().refines_in_training = refines
    try:
        return model.loss(images(), samples(photos))
    finally:
        model.refines_in_training = True


@pytest.mark.parametrize('refines', [True, False])
def test_without_the_part_a_step_is_what_it_was(model, refines):
    part = model.consistency
    found = losses_of(model, refines=refines)
    try:
        model.consistency = None
        without = losses_of(model, refines=refines)
    finally:
        model.consistency = part
    assert set(found) - set(without) == VIEW
    assert all(torch.equal(found[name], value) for name, value in without.items())


def test_it_has_no_weights_and_is_no_part_of_a_prediction(config, model):
    bare = MODELS.build({**config, 'consistency': None})
    assert list(bare.state_dict()) == list(model.state_dict())
    assert not list(model.consistency.parameters())
    bare.load_state_dict(model.state_dict())
    with torch.no_grad():
        found, wanted = (m.eval().run_heads(images()) for m in (model, bare))
    assert torch.equal(
        found.refined[-1].state.vertices, wanted.refined[-1].state.vertices
    )
    assert torch.equal(found.coarse.betas, wanted.coarse.betas)


def test_photos_teach_the_regressor_by_their_turned_crops(model):
    crops = []
    hook = model.backbone.register_forward_pre_hook(
        lambda module, args: crops.append(args[0])
    )
    try:
        losses = losses_of(model)
    finally:
        hook.remove()
    assert [len(batch) for batch in crops] == [3, 2]
    for turned, given in zip(crops[1], crops[0][[0, 2]]):
        assert given[:, 0, 0].all() and not turned[:, 0, 0].any()  # a corner is black
    assert all(losses[name] > 0 for name in VIEW)
    numbers = model.mano_head.numbers.weight
    for name in VIEW:
        grad = torch.autograd.grad(losses[name], numbers, retain_graph=True)[0]
        assert grad.isfinite().all() and grad.any(), name


def test_renderings_alone_have_nothing_to_agree_on(model):
    losses = losses_of(model, photos=(False, False, False))
    assert all(losses[name] == 0 for name in VIEW)


def test_black_is_what_the_normalisation_makes_of_it(model):
    assert not black_of(model.data_preprocessor).any()  # mean 0
    other = MODELS.build(
        dict(type='HandDataPreprocessor', mean=[120.0, 110, 100], std=[60.0, 50, 40])
    )
    data = dict(inputs=[torch.zeros(3, 4, 4, dtype=torch.uint8)], data_samples=[])
    black = other(data)['inputs'][0]
    torch.testing.assert_close(black_of(other).expand(3, 4, 4), black)
    assert black_of(torch.nn.Identity()) == 0
