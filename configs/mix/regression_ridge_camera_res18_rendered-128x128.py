"""MMPose's keypoint regression, in 2D and in 3D, tied by the ridge camera.

Nothing but the head is ours. The rendered hands are the quick start's.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/dne_30e.py',
    '../_base_/datasets/rendered_mesh.py',
]
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=18,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='RidgeRegressionHead',
        in_channels=512,
        xi=1e-4,
        loss=dict(type='SmoothL1Loss', use_target_weight=True),
    ),
    test_cfg=dict(flip_test=False),
)
# MPJPE is in mm, from the wrist, whose true depth the metric is given.
val_evaluator = dict(_delete_=True, type='InterHandMetric', modes=['MPJPE'])
test_evaluator = val_evaluator
default_hooks = dict(
    checkpoint=dict(save_best='MPJPE_all'),
    visualization=dict(_delete_=True, type='HandVisualizationHook', enable=False),
)
