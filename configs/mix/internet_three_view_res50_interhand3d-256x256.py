"""MMPose's InterNet, its 3D keypoints corrected from three views of each hand."""

_base_ = [
    'mmpose::hand_3d_keypoint/internet/interhand3d/'
    'internet_res50_4xb16-20e_interhand3d-256x256.py'
]
custom_imports = dict(imports=['mmhand_dne'])
model = dict(
    head=dict(
        type='InternetThreeViewHead',
        num_cells=16,  # of 64 x 64 x 64 cells of the heat maps
        offset_weight=1.0,
    )
)
