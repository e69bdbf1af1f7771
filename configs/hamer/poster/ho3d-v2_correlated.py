# The poster's row "ours" on HO-3D v2: variances mixed by one W, which the exact
# likelihood trains.
_base_ = ['./ho3d-v2_deterministic.py']

model = dict(
    uncertainty_head=dict(**_base_.uncertainty_heads.correlated, **_base_.released_head)
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    dict(axes='opengl', **_base_.released_metric),
]
test_evaluator = val_evaluator
optim_wrapper = _base_.mixing_rate
