# The row "ours" of the second paper on the three sets of HaMeR's mixture that are
# configured here.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_mixed.py',
    '../_base_/models/hamer_vit_h.py',
]
# What a converted HaMeR lacks or has too much for these models.
default_hooks = dict(
    checkpoint_match=dict(
        allow_missing=['uncertainty_head.'], allow_unexpected=['discriminator.']
    )
)
model = dict(
    uncertainty_head=dict(
        type='JointUncertaintyHead',
        in_channels=_base_.token_channels,
        decoder=_base_.decoder,  # a second one, as in the paper
        covariance=dict(type='CorrelatedCovariance'),
        loss=dict(type='CorrelatedGaussianNLLLoss', loss_weight=5e-4),
    )
)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
