# The poster's row C on FreiHAND: a covariance for each image, in the poster's d + d^2
# numbers.
_base_ = ['./freihand_deterministic.py']

model = dict(
    uncertainty_head=dict(
        **_base_.uncertainty_heads.full_square, **_base_.released_head
    )
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    _base_.released_metric,
]
test_evaluator = val_evaluator
