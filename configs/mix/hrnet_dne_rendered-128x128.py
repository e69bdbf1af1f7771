"""MMPose's top-down estimator with HRNet, and DNE's stages as its head.

Nothing but the head is ours. The rendered hands and their schedule are the quick
start's.
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
        type='HRNet',
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block='BOTTLENECK',
                num_blocks=(4,),
                num_channels=(64,),
            ),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block='BASIC',
                num_blocks=(4, 4),
                num_channels=(18, 36),
            ),
            stage3=dict(
                num_modules=4,
                num_branches=3,
                block='BASIC',
                num_blocks=(4, 4, 4),
                num_channels=(18, 36, 72),
            ),
            stage4=dict(
                num_modules=3,
                num_branches=4,
                block='BASIC',
                num_blocks=(4, 4, 4, 4),
                num_channels=(18, 36, 72, 144),
                multiscale_output=True,
            ),
            upsample=dict(mode='bilinear', align_corners=False),
        ),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://msra/hrnetv2_w18'),
    ),
    neck=dict(type='FeatureMapProcessor', concat=True),  # all levels, at stride 4
    head=dict(
        type='HandMeshHead',
        in_channels=270,
        hand_model=_base_.hand_model,
        mano_head=dict(type='MANOMapHead', mid_channels=64),
        refine_head=dict(
            type='DNEHead',
            map_size=32,  # 128 pixels at stride 4
            num_stages=1,
            num_samples=1,
            num_cells=16,
        ),
    ),
    test_cfg=dict(flip_test=False),
)
train_dataloader = dict(batch_size=8)
