# The ablation "ours without linear layer": the mixing is the identity.
_base_ = ['./hamer-deterministic_small_rendered-128x128.py']

model = dict(uncertainty_head=_base_.uncertainty_heads.nolinear)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
