"""A step with a prior trains the model first, then its judge, each alone."""

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmpose.registry import MODELS
from torch.nn.parallel import DistributedDataParallel

from tests.fake_samples import one_hand_samples
from tests.tiny_hamer import tiny_hamer

SIZE = 64
WEIGHT = 5e-4


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(
        tiny_hamer(
            depth=1,
            type='AdversarialHandMeshEstimator',
            data_preprocessor=dict(type='HandDataPreprocessor'),
            **options,
        )
    ).train()


def optimisers(model, **discriminator):
    config = dict(
        constructor='AdversarialOptimWrapperConstructor',
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.1),
        discriminator=discriminator,
    )
    return build_optim_wrapper(model, config)


def batch(**options):
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    samples = one_hand_samples(size=SIZE, **options)
    return dict(inputs=list(images), data_samples=samples)


def moved(model, before):
    """Names of the parameters that are not as before."""
    return {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_two_steps_move_both_parts():
    model = build()
    wrappers, start = optimisers(model), state(model)
    for _ in range(2):
        before = state(model)
        log = model.train_step(batch(), wrappers)
        names = moved(model, before)
        assert any(name.startswith('backbone.') for name in names)
        assert any(name.startswith('mano_head.fc_pose') for name in names)
        assert any(name.startswith('discriminator.D_conv1') for name in names)
    assert all(torch.isfinite(value) for value in log.values())
    assert {'loss', 'loss_joints', 'loss_adversarial', 'discriminator'} < set(log)
    judge = {name for name in start if name.startswith('discriminator.')}
    # betas_fc* may have units that no hand of the batch switches on.
    assert len(judge & moved(model, start)) >= len(judge) - 6


def test_each_step_leaves_the_other_part_alone(monkeypatch):
    """Seen at the moment of every update."""
    model, seen = build(), []
    wrappers, update = optimisers(model), OptimWrapper.update_params

    def watched(wrapper, loss):
        before = state(model)
        update(wrapper, loss)
        judge = {name.startswith('discriminator.') for name in moved(model, before)}
        part = next(key for key, value in wrappers.items() if value is wrapper)
        seen.append((part, judge))

    monkeypatch.setattr(OptimWrapper, 'update_params', watched)
    model.train_step(batch(), wrappers)
    assert seen == [('generator', {False}), ('discriminator', {True})]
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_the_generators_gradient_comes_through_the_judge():
    model = build()
    model.discriminator.requires_grad_(False)
    data = model.data_preprocessor(batch(), True)
    losses = model.loss(**data)
    losses['loss_adversarial'].backward()
    assert model.mano_head.fc_pose.weight.grad.abs().max() > 0
    assert model.mano_head.fc_shape.weight.grad.abs().max() > 0
    assert model.mano_head.fc_cam.weight.grad is None  # the camera is not judged
    assert all(p.grad is None for p in model.discriminator.parameters())


def test_the_logged_terms_are_hamers():
    model = build()
    data = batch()
    prepared = model.data_preprocessor(batch(), True)
    with torch.no_grad():
        coarse = model.run_heads(prepared['inputs']).coarse
        fake = model.discriminator(coarse.rotations[:, 0, 1:], coarse.betas[:, 0])
    expected = WEIGHT * (fake - 1).square().sum().item() / 2
    log = model.train_step(data, optimisers(model))
    assert log['loss_adversarial'].item() == pytest.approx(expected, rel=1e-4)
    # Two hands are regressed; four real ones are drawn, over two. The two true hands
    # have one pose, the CC0 hand's mean, so that the draw does not matter.
    samples = one_hand_samples(size=SIZE, mano_betas=torch.zeros(2, 2, 10))
    model = build()
    rotations = samples[0].gt_instance_labels.mano_rotations[0, :1, 1:]
    with torch.no_grad():
        model.run_heads(prepared['inputs'])
        real = model.discriminator(rotations, torch.zeros(1, 10))
        found = model.discriminator_loss(samples).item()
    real_term = 4 * (real - 1).square().sum().item()
    expected = WEIGHT * (fake.square().sum().item() + real_term) / 2
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_batch_without_meshes_trains():
    model = build()
    data = batch(mano_valid=torch.zeros(2, 2))
    log = model.train_step(data, optimisers(model))
    assert torch.isfinite(log['discriminator']) and torch.isfinite(log['loss'])


def test_the_judge_may_have_options_of_its_own():
    wrappers = optimisers(build(), optimizer=dict(lr=0.3))
    assert wrappers.get_lr() == {'generator.lr': [0.1], 'discriminator.lr': [0.3]}
    model = build()
    wrappers = optimisers(model)
    ids = [
        {id(p) for group in part.param_groups for p in group['params']}
        for part in wrappers.values()
    ]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {id(p) for p in model.parameters()}


def test_a_model_without_a_judge_is_one_sentence():
    model = MODELS.build(tiny_hamer(depth=1, type='HandMeshEstimator'))
    with pytest.raises(ValueError, match='HandMeshEstimator has no discriminator'):
        optimisers(model)


def test_several_processes_are_refused():
    class Wrapped(DistributedDataParallel):
        def __init__(self, module):
            torch.nn.Module.__init__(self)
            self.module = module

    with pytest.raises(ValueError, match='runs in one process, found a Wrapped'):
        optimisers(Wrapped(build()))
