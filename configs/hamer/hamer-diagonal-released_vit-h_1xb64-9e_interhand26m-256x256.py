# For the converted weights of the released variant "diagonal":
# a density over all 21 joints in camera space (d = 63), scored as the authors score
# and as we do.
_base_ = ['./hamer-diagonal_vit-h_1xb64-9e_interhand26m-256x256.py']

model = dict(
    uncertainty_head=dict(
        aligned=False,  # ground truth in the camera, prediction without translation
    )
)
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='SparsificationMetric', mode='released'),
]
test_evaluator = val_evaluator
