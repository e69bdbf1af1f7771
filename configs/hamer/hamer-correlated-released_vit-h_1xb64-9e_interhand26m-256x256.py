# For the converted weights of the released variant "ours": all 21 joints in camera
# space (d = 63), scored as the authors score and as we do.
_base_ = ['./hamer-correlated_vit-h_1xb64-9e_interhand26m-256x256.py']

model = dict(
    uncertainty_head=dict(
        covariance=dict(train_mixing=False, initial_mixing='released'),
        loss=dict(mode='released'),
        **_base_.released_head,
    )
)
val_evaluator = [*_base_.val_evaluator, _base_.released_metric]
test_evaluator = val_evaluator
