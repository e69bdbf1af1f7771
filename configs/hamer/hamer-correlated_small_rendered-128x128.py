# Variances mixed by one linear map for all images: the row "ours".
_base_ = ['./hamer-deterministic_small_rendered-128x128.py']

model = dict(uncertainty_head=_base_.uncertainty_heads.correlated)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
