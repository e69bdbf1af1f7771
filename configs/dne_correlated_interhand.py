# DNE with error bars: both papers in one model, which neither has. A Gaussian a hand
# around the refined joints, its correlations a map W of each side:
#     tools/dist_train.sh configs/dne_correlated_interhand.py 4
_base_ = ['./dne_interhand.py']

token_channels = 1024
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
