# The poster's row "ours" on the free benchmark: variances mixed by one map W. Goes on
# from the baseline, whose error it estimates.
_base_ = ['./deterministic.py']

model = dict(
    uncertainty_head=dict(
        type='JointUncertaintyHead',
        in_channels=384,
        covariance=dict(type='CorrelatedCovariance'),
        # A hand's NLL, against lambda_3D=50 on its vertices in metres.
        loss=dict(type='CorrelatedGaussianNLLLoss', loss_weight=0.01),
    ),
)
parts = _base_.val_evaluator.datasets
val_evaluator = dict(
    datasets=[*parts, *parts],
    metrics=[
        *_base_.val_evaluator.metrics,
        *[dict(type='SparsificationMetric', out_dir=f'bars_{part}') for part in parts],
    ],
)
test_evaluator = val_evaluator
# W has few steps and steers all others: as in dne_real.py.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'uncertainty_head.covariance.lower_upper': dict(lr_mult=10.0)}
    )
)
default_hooks = dict(checkpoint_match=dict(allow_missing=['uncertainty_head.']))
