# Dual noise estimation on real photos: the shipped model. Its parametric model is a
# regressor on the token of MediaPipe's hand landmark network (Apache-2.0), whose crops
# are turned upright; the misalignment of that mesh is what DNE estimates, on the maps
# of the same network. One hand a crop, left ones mirrored. Trained by
# tools/train_real.sh on renderings and photos, in three phases: the regressor on the
# network as it is, regressor and network, then both with the stages and the error bars.
# The network is there twice, as it was and trained: renderings taught it renderings,
# and of photos it forgot a part.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/datasets/real_hands.py',
    './_base_/models/dne_r50.py',
    './_base_/models/dne_error_bars.py',
]
# Over the paper's symbols in _base_/models/dne_r50.py:
dne = dict(
    M=2,  # stages
    R=1,  # samples: on a CPU more cost thrice the time and gave nothing
    C=32,  # channels of F
    D=16,  # cells along an axis
    lambda_u=3.0,  # |u' - u*|: a departure of ours
    lambda_u_r=1.0,  # |u_r - u*|: a departure of ours
)
head_epochs, network_epochs, stage_epochs = 6, 2, 1  # the three phases
baseline_epochs = head_epochs + network_epochs
converted = 'data/real/mediapipe_hands.pth'  # of convert_mediapipe.py
token_channels = 384
hand_model = dict(type='SingleHand', source='cc0', tips='interhand', joints='regressed')

model = dict(
    hand_model=dict(_delete_=True, **hand_model),
    data_preprocessor=dict(
        mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], batch_augments=None
    ),
    backbone=dict(
        _delete_=True,
        type='TwinHandNet',
        frozen_levels=2,
        init_cfg=dict(
            type='Pretrained', checkpoint=converted, prefix='hand_landmarker.trunk'
        ),
    ),
    neck=dict(
        in_channels=[24, 40, 112, 192],
        out_channels=dne['C'],
        norm_cfg=dict(type='GN', num_groups=8),
        extra_levels=1,
    ),
    aux_head=None,
    mano_level=-1,
    mano_head=dict(
        _delete_=True,
        type='MANOTokenHead',
        in_channels=2 * 1152,
        read_channels=1152,
        hidden_channels=token_channels,
        readout=dict(
            init_cfg=dict(
                type='Pretrained',
                checkpoint=converted,
                prefix='hand_landmarker.readout',
            )
        ),
        mesh_terms=_base_.mesh_terms,
    ),
    # Before it is refined the regressed hand follows the landmarks: those know photos.
    landmark_refit=dict(type='LandmarkRefit'),
    # A photo and the same photo turned show the same hand: what it has only landmarks
    # for, depth and articulation, is taught by that. Ours, and of training alone. With
    # a weight of 1 the regressed hand lies further from its landmarks [measured].
    consistency=dict(type='ViewConsistency', angle=30.0, loss_weight=0.25),
    refine_head=dict(
        in_channels=dne['C'],
        map_size=56,  # 224 pixels at stride 4
        pool=2,  # a small file; a departure of ours, as what follows, see DNEHead
        num_stages=dne['M'],
        num_samples=dne['R'],
        num_cells=dne['D'],
        estimator=dict(hidden_channels=96),
        coordinate_inputs=True,
        landmark_inputs=True,
        smoothing=4,
        detach_coarse=True,
        loss_u=dne['lambda_u'],
        loss_regressed=dne['lambda_u_r'],
    ),
    hand_token=dict(type='LandmarkGapToken'),
    uncertainty_head=dict(
        _base_.uncertainty_head,
        in_channels=token_channels + 3 * 21,  # of the token and the gaps
        num_slots=1,
        image_loss=True,
    ),
)

max_epochs = baseline_epochs + stage_epochs
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-3),
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.25),
            'uncertainty_head.covariance.lower_upper': dict(lr_mult=10.0),
        }
    ),
    clip_grad=dict(max_norm=20.0, norm_type=2),
)
train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict()
test_cfg = dict()
param_scheduler = [
    dict(
        type='CosineRestartLR',
        periods=[head_epochs, network_epochs, stage_epochs],
        restart_weights=[1, 0.6, 0.6],
        eta_min_ratio=0.01,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(type='RestHook', modules=['backbone'], end=head_epochs),
    dict(type='TwoPhaseHook', begin=baseline_epochs, modules=[]),
]
default_hooks = dict(checkpoint=dict(iter_interval=200, max_keep_ckpts=1))
model_wrapper_cfg = dict(type='MMDistributedDataParallel', find_unused_parameters=True)
