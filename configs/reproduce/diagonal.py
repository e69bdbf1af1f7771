# The poster's row B on the free benchmark: a variance for each coordinate.
_base_ = ['./correlated.py']

model = dict(
    uncertainty_head=dict(
        covariance=dict(type='DiagonalCovariance'),
        loss=dict(type='DiagonalGaussianNLLLoss'),
    )
)
