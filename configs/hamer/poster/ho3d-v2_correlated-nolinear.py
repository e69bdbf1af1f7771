# The row "ours without linear layer" on HO-3D v2: W = I.
_base_ = ['./ho3d-v2_deterministic.py']

model = dict(
    uncertainty_head=dict(**_base_.uncertainty_heads.nolinear, **_base_.released_head)
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric'),
    dict(axes='opengl', **_base_.released_metric),
]
test_evaluator = val_evaluator
