"""The frozen trunk: as its checkpoint has it, and the same from a cache."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.apis.shipped_model import SHIPPED_WEIGHTS, read_parts
from mmhand_dne.datasets.datasets import CachedHandDataset
from mmhand_dne.datasets.readers.feature_cache import FeatureCacheWriter
from mmhand_dne.models.backbones import FrozenHandNet
from tests.cached_features import VERTICES, tagged_samples

ROOT = Path(__file__).parents[3]
STEPS, BATCH = 3, 2


def shipped_trunk():
    checkpoint = dict(
        type='Pretrained', checkpoint=str(SHIPPED_WEIGHTS), prefix='backbone'
    )
    net = FrozenHandNet(init_cfg=checkpoint)
    net.init_weights()
    return net.eval()


def test_both_copies_are_those_of_the_shipped_file():
    state = read_parts(SHIPPED_WEIGHTS, ('state_dict',))['state_dict']
    net = shipped_trunk()
    own = net.state_dict()
    assert own
    for name, value in own.items():
        assert torch.equal(value, state[f'backbone.{name}'].float()), name
    upper = net.blocks[net.num_shared].expand[0].weight
    kept = net.untrained['blocks'][0].expand[0].weight
    assert not torch.equal(upper, kept)  # the copies differ, or this proves nothing
    assert not any(p.requires_grad for p in net.parameters())


class Rounded(FrozenHandNet):
    """Its maps to float16, as the cache has them."""

    def forward(self, inputs):
        return tuple(level.half().float() for level in super().forward(inputs))


def trained(model, batches):
    """Losses of some steps, the parameters after them."""
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=1e-3)
    losses = []
    for number, (inputs, samples) in enumerate(batches):
        torch.manual_seed(number)  # of the stages' noise and of dropout
        batch = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), True)
        found = model.loss(batch['inputs'], samples)
        loss = sum(value for name, value in found.items() if 'loss' in name)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, [p.detach().clone() for p in parameters]


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """The cached model and its data, the uncached one and its images, alike else."""
    init_default_scope('mmpose')
    path = ROOT / 'configs/reproduce'
    cached = Config.fromfile(path / 'full.py').model
    uncached = Config.fromfile(path / 'uncached.py').model
    for model in (cached, uncached):
        model.refine_head.num_stages = 1
        model.mano_head.readout.init_cfg = None
    torch.manual_seed(0)
    from_images, from_cache = MODELS.build(uncached), MODELS.build(cached)
    from_images.backbone.load_state_dict(shipped_trunk().state_dict())
    state = from_images.state_dict()
    from_cache.load_state_dict(
        {name: v for name, v in state.items() if not name.startswith('backbone.')}
    )
    count = STEPS * BATCH
    images = torch.randint(256, (count, 3, 224, 224), dtype=torch.uint8)
    samples = tagged_samples(count)
    folder = tmp_path_factory.mktemp('cache')
    shapes = [tuple(shape) for shape in cached.backbone.shapes]
    writer = FeatureCacheWriter(folder, {}, count, shapes, VERTICES)
    for image, sample in zip(images, samples):
        batch = dict(inputs=[image], data_samples=[])
        inputs = from_images.data_preprocessor(batch)['inputs']
        writer.append(from_images.backbone(inputs), [sample])
    hands = CachedHandDataset(str(folder), levels=range(5))
    return from_images, images, samples, from_cache, hands


def test_training_from_the_cache_is_training_from_images(models):
    from_images, images, samples, from_cache, hands = models
    rows = [range(BATCH * i, BATCH * (i + 1)) for i in range(STEPS)]
    of_images = [([images[r] for r in row], [samples[r] for r in row]) for row in rows]
    of_cache = [
        ([hands[r]['inputs'] for r in row], [hands[r]['data_samples'] for r in row])
        for row in rows
    ]
    state = {name: value.clone() for name, value in from_cache.state_dict().items()}
    losses, parameters = trained(from_cache, of_cache)
    # Twice: with the cache's rounding the losses are the same, without nearly.
    whole = {name: value.clone() for name, value in from_images.state_dict().items()}
    plain, _ = trained(from_images, of_images)
    assert losses == pytest.approx(plain, rel=2e-3) and losses != plain
    from_images.load_state_dict(whole)
    from_images.backbone.__class__ = Rounded
    rounded, same = trained(from_images, of_images)
    assert rounded == pytest.approx(losses, rel=1e-5)
    for one, other in zip(parameters, same, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(v, state[n]) for n, v in from_cache.state_dict().items())
