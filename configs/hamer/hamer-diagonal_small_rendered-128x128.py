# A variance for each coordinate: the row "diagonal".
_base_ = ['./hamer-deterministic_small_rendered-128x128.py']

model = dict(uncertainty_head=_base_.uncertainty_heads.diagonal)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
