"""MMPose's InterNet, its 3D keypoints with a covariance per hand."""

_base_ = [
    'mmpose::hand_3d_keypoint/internet/interhand3d/'
    'internet_res50_4xb16-20e_interhand3d-256x256.py'
]
custom_imports = dict(imports=['mmhand_dne'])
model = dict(
    head=dict(
        type='InternetGaussianHead',
        covariance=dict(
            type='CorrelatedCovariance',
            unit=4.0,  # cells of the heat maps
        ),
        loss_nll=dict(type='CorrelatedGaussianNLLLoss', loss_weight=0.01),
    )
)
