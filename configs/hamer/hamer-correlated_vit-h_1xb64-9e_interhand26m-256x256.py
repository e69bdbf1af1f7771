# Variances mixed by one linear map for all images: the row "ours".
_base_ = ['./hamer-deterministic_vit-h_1xb64-9e_interhand26m-256x256.py']

model = dict(uncertainty_head=_base_.uncertainty_heads.correlated)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
optim_wrapper = _base_.mixing_rate
