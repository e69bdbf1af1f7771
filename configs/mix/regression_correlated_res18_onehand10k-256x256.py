"""MMPose's 2D keypoint regression on a small backbone, with a covariance."""

_base_ = [
    'mmpose::hand_2d_keypoint/topdown_regression/onehand10k/'
    'td-reg_res50_8xb64-210e_onehand10k-256x256.py'
]
custom_imports = dict(imports=['mmhand_dne'])
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18')),
    head=dict(
        type='RegressionGaussianHead',
        in_channels=512,
        covariance=dict(type='CorrelatedCovariance', unit=0.1),  # of the crop's side
        loss_nll=dict(type='CorrelatedGaussianNLLLoss', loss_weight=0.01),
    ),
)
