# DNE with error bars for two CPU cores, as dne_correlated_interhand.py is for GPUs. The
# error bars are learnt in the second phase, with the stage.
_base_ = ['./dne_rendered.py', './_base_/models/dne_error_bars.py']

token_channels = 128
model = dict(
    hand_token=dict(
        _base_.hand_token, in_channels=_base_.dne.C, out_channels=token_channels
    ),
    uncertainty_head=dict(_base_.uncertainty_head, in_channels=token_channels),
)
val_evaluator = [_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
# W has some hundred steps: 2e-2 as in _base_/schedules/hamer_small.py.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'uncertainty_head.covariance.lower_upper': dict(lr_mult=10.0)}
    )
)
