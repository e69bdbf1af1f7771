# DNE with error bars: both papers in one model, which neither has. The heads and their
# hyper-parameters: _base_/models/dne_error_bars.py.
#     tools/dist_train.sh configs/dne_correlated_interhand.py 4
_base_ = ['./dne_interhand.py', './_base_/models/dne_error_bars.py']

model = dict(
    hand_token=dict(in_channels=_base_.dne.C, **_base_.hand_token),
    uncertainty_head=_base_.uncertainty_head,
)
val_evaluator = [_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
