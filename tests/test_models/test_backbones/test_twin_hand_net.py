"""A landmark network that learns beside itself as it was."""

import pytest
import torch

from mmhand_dne.models.backbones import MediaPipeHandNet, TwinHandNet

TOKEN = 1152


@pytest.fixture
def image():
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def trained(net):
    """One large step away from where the net began."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.rand_like(parameter))
    return net


def test_it_begins_as_the_network_twice(image):
    alone, twin = MediaPipeHandNet(), TwinHandNet()
    twin.load_state_dict(alone.state_dict(), strict=False)
    twin.reset_untrained()
    levels = twin(image)
    for level, wanted in zip(levels, alone(image)[:4]):
        torch.testing.assert_close(level, wanted)
    for half in levels[-1].split(TOKEN, 1):
        torch.testing.assert_close(half, alone(image)[-1])


def test_training_leaves_one_of_them_as_it_was(image):
    twin = TwinHandNet()
    before = twin(image)
    after = trained(twin)(image)
    for index in (0, 1):  # the shared levels
        assert torch.equal(before[index], after[index])
    assert torch.equal(before[-1][:, TOKEN:], after[-1][:, TOKEN:])
    for index in (2, 3):
        assert not torch.allclose(before[index], after[index])
    assert not torch.allclose(before[-1][:, :TOKEN], after[-1][:, :TOKEN])


def test_gradients_reach_only_what_is_trained(image):
    twin = TwinHandNet(frozen_levels=3)
    twin(image)[-1].square().mean().backward()
    reached = {
        name.split('.')[0] for name, p in twin.named_parameters() if p.grad is not None
    }
    assert reached == {'blocks', 'last'}
    assert {
        int(name.split('.')[1])
        for name, p in twin.named_parameters()
        if p.grad is not None and name.startswith('blocks')
    } == set(range(11, 15))


def test_converted_weights_fill_both(tmp_path, image):
    alone = MediaPipeHandNet()
    state = {f'part.trunk.{name}': value for name, value in alone.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    twin = TwinHandNet(
        init_cfg=dict(
            type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='part.trunk'
        )
    )
    twin.init_weights()
    for half in twin(image)[-1].split(TOKEN, 1):
        torch.testing.assert_close(half, alone(image)[-1])


@pytest.mark.parametrize('levels', [0, 4])
def test_all_or_nothing_shared_is_refused(levels):
    with pytest.raises(ValueError, match=f'frozen_levels is {levels}'):
        TwinHandNet(frozen_levels=levels)
