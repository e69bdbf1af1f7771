"""The metric reads what HandMeshEstimator predicts."""

import math

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpose.registry import MODELS

from mmhand_dne.evaluation import SparsificationMetric
from tests.fake_samples import fake_samples


def evaluated_samples(covariance, aligned):
    """Predictions of an untrained one-hand model on two crops."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='HandMeshEstimator',
            hand_model=dict(type='SingleHand'),
            backbone=dict(
                type='HaMeRViT',
                img_size=(64, 48),
                crop_columns=8,
                patch_size=8,
                patch_padding=0,
                embed_dims=32,
                depth=1,
                num_heads=2,
            ),
            mano_head=dict(
                type='MANODecoderHead',
                in_channels=32,
                decoder=dict(embed_dims=16, depth=1),
            ),
            uncertainty_head=dict(
                type='JointUncertaintyHead',
                in_channels=16,
                covariance=covariance,
                aligned=aligned,
            ),
        )
    ).eval()
    absent = torch.tensor([1.0, 0.0]).expand(4, 2)
    masks = dict(
        hand_vertices_valid=absent,
        hand_root_valid=absent,
        mano_valid=absent,
        hand_presence=absent,
        hand_presence_valid=absent,
        hand_joints_valid=absent[..., None].expand(4, 2, 21),
        hand_joints_ndc_valid=absent[..., None].expand(4, 2, 21),
    )
    samples = fake_samples(4, 64, **masks)
    with torch.no_grad():
        return model.predict(torch.randn(4, 3, 64, 64), samples)


def evaluate(samples, mode, **kwargs):
    evaluator = Evaluator(SparsificationMetric(mode, **kwargs))
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize(
    'covariance',
    [
        dict(type='DiagonalCovariance'),
        dict(type='FullCovariance'),
        dict(type='CorrelatedCovariance'),
        dict(type='CorrelatedCovariance', linear=False),
    ],
    ids=['diagonal', 'full', 'correlated', 'without linear'],
)
@pytest.mark.parametrize('aligned', [True, False])
def test_every_covariance_is_scored(tmp_path, covariance, aligned):
    samples = evaluated_samples(covariance, aligned)
    found = evaluate(samples, 'standard', out_dir=str(tmp_path))
    assert all(map(math.isfinite, found.values())) and len(found) == 15
    pred = samples[0].pred_instances
    if aligned:
        deviation = [s.pred_instances.hand_joint_std[0, 0, 1:].mean() for s in samples]
        mean = 1000 * float(sum(deviation)) / len(samples)
        assert found['sharpness'] == pytest.approx(mean, rel=1e-5)
        return
    assert pred.hand_joint_covariance.shape == (1, 2, 63, 63)
    released = evaluate(samples, 'released', out_dir=str(tmp_path))
    assert released['released/AUSC'] / 98 == pytest.approx(8, abs=3)  # 10 x distance


def test_deterministic_model_is_refused(tmp_path):
    samples = evaluated_samples(dict(type='DeterministicCovariance'), True)
    with pytest.raises(ValueError, match='the model is deterministic; give it unc'):
        evaluate(samples, 'standard', out_dir=str(tmp_path))
