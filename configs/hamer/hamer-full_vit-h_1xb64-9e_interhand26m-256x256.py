# A covariance from the network for each image: the row "full".
_base_ = ['./hamer-deterministic_vit-h_1xb64-9e_interhand26m-256x256.py']

model = dict(
    uncertainty_head=dict(
        type='JointUncertaintyHead',
        in_channels=_base_.token_channels,
        decoder=_base_.decoder,  # a second one, as in the paper
        covariance=dict(type='FullCovariance'),
        loss=dict(type='FullGaussianNLLLoss', loss_weight=5e-4),
    )
)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
