# The poster's row B on FreiHAND: a variance for each coordinate.
_base_ = ['./freihand_deterministic.py']

model = dict(
    uncertainty_head=dict(**_base_.uncertainty_heads.diagonal, **_base_.released_head)
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    _base_.released_metric,
]
test_evaluator = val_evaluator
