# The poster's row C on HO-3D v2: a covariance for each image, its Cholesky factor as in
# the released code.
_base_ = ['./ho3d-v2_deterministic.py']

model = dict(
    uncertainty_head=dict(**_base_.uncertainty_heads.full, **_base_.released_head)
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    dict(axes='opengl', **_base_.released_metric),
]
test_evaluator = val_evaluator
