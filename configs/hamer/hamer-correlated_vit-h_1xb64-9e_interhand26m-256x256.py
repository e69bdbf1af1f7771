# Variances mixed by one linear map for all images: the row "ours".
_base_ = ['./hamer-deterministic_vit-h_1xb64-9e_interhand26m-256x256.py']

model = dict(uncertainty_head=_base_.uncertainty_heads.correlated)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
# W's learning rates have to sum up to some 4 to learn any correlation from none
# (tools/analysis_tools/covariance_toy.py); 275 000 times 1e-6 are 0.3.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'uncertainty_head.covariance.lower_upper': dict(lr_mult=20.0)}
    )
)
