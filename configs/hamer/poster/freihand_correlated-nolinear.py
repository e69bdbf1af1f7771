# The row "ours without linear layer" on FreiHAND: W = I.
_base_ = ['./freihand_deterministic.py']

model = dict(
    uncertainty_head=dict(**_base_.uncertainty_heads.nolinear, **_base_.released_head)
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    _base_.released_metric,
]
test_evaluator = val_evaluator
