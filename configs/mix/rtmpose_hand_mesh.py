"""MMPose's RTMPose-m for hands, a mesh fitted to its 21 keypoints.

Its published checkpoint loads as it is; training is the base config's. Any other
top-down model of 21 hand keypoints takes its place in ``_base_``.
"""

_base_ = [
    'mmpose::hand_2d_keypoint/rtmpose/hand5/rtmpose-m_8xb256-210e_hand5-256x256.py'
]
custom_imports = dict(imports=['mmhand_dne'])
hand_model = dict(type='SingleHand', source='cc0', tips='interhand')
model = dict(
    type='KeypointMeshEstimator',
    hand_model=hand_model,
    landmark_fit=dict(
        type='LandmarkFit',
        sigma_2d=0.02,  # of the landmarks' box
        # The image alone does not tell near from far: the priors count in full.
        pose_weight=1.0,
        shape_weight=1.0,
    ),
    backbone=dict(_scope_='mmpose'),  # the same, without MMDetection
)

# The quick start's rendered hands, one a sample, left ones mirrored.
test_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(
        type='HaMeRCrop',
        input_size=256,
        padding=1.25,  # RTMPose's
        aspect=None,
        half_pixel=True,
    ),
    dict(type='PackHandInputs'),
]
test_dataloader = dict(
    _delete_=True,
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='SingleHandDataset',
        dataset=dict(
            type='InterHandMeshDataset',
            data_root='data/rendered/',
            data_prefix=dict(img='images/test'),
            ann_file='annotations/test/InterHand2.6M_test_data.json',
            camera_file='annotations/test/InterHand2.6M_test_camera.json',
            joint_file='annotations/test/InterHand2.6M_test_joint_3d.json',
            mano_file='annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json',
            hand_model=dict(type='HandPair', source='cc0', tips='interhand'),
            test_mode=True,
            pipeline=test_pipeline,
        ),
    ),
)
test_evaluator = [dict(type='HandMeshMetric')]

# Tests only.
train_dataloader = val_dataloader = None
train_cfg = val_cfg = None
optim_wrapper = param_scheduler = val_evaluator = None
custom_hooks = []
default_hooks = dict(
    checkpoint=dict(save_best=None),
    visualization=dict(_delete_=True, type='HandVisualizationHook', enable=False),
)
visualizer = dict(
    _delete_=True,
    type='HandMeshVisualizer',
    vis_backends=[dict(type='LocalVisBackend')],
    name='visualizer',
)
