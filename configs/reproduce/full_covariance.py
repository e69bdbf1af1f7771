# The poster's row C on the free benchmark: a covariance from the network.
_base_ = ['./correlated.py']

model = dict(
    uncertainty_head=dict(
        covariance=dict(type='FullCovariance'),
        loss=dict(type='FullGaussianNLLLoss'),
    )
)
