# The row "ours" of the second paper on the three sets of HaMeR's mixture that are
# configured here.
_base_ = [
    '../_base_/hamer_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_mixed.py',
    '../_base_/models/hamer_vit_h.py',
]

model = dict(uncertainty_head=_base_.uncertainty_heads.correlated)
val_evaluator = [*_base_.val_evaluator, dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
optim_wrapper = _base_.mixing_rate
