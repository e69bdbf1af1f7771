# DNE with error bars for two CPU cores, as dne_correlated_interhand.py is for GPUs. The
# error bars are learnt in the second phase, with the stage.
_base_ = ['./dne_rendered.py']

token_channels = 128
lambda_nll = 0.01  # a hand's NLL, against lambda_3D=50 on its vertices in metres
model = dict(
    hand_token=dict(
        type='RefinedHandToken', in_channels=_base_.dne.C, out_channels=token_channels
    ),
    uncertainty_head=dict(
        type='JointUncertaintyHead',
        in_channels=token_channels,
        num_slots=2,
        covariance=dict(type='CorrelatedCovariance'),
        loss=dict(type='CorrelatedGaussianNLLLoss', loss_weight=lambda_nll),
    ),
)
val_evaluator = [_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
# W has some hundred steps: 2e-2 as in _base_/schedules/hamer_small.py.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'uncertainty_head.covariance.lower_upper': dict(lr_mult=10.0)}
    )
)
