# What dne_r50.py's model needs for error bars: a Gaussian per hand around the refined
# joints, its correlations a map W of each side.
token_channels = 1024
lambda_nll = 0.01  # a hand's NLL, against lambda_3D=50 on its vertices in metres
hand_token = dict(type='RefinedHandToken', out_channels=token_channels)
uncertainty_head = dict(
    type='JointUncertaintyHead',
    in_channels=token_channels,
    num_slots=2,
    covariance=dict(type='CorrelatedCovariance'),
    loss=dict(type='CorrelatedGaussianNLLLoss', loss_weight=lambda_nll),
)
