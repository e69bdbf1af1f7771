# DNE for two CPU cores: 128x128 crops of rendered CC0 hands, a narrow ResNet-18 with
# GroupNorm (SyncBatchNorm does not exist on a CPU), one stage. It proves the machinery,
# not the paper's tables. Two phases, each with its own falling learning rate: the
# baseline, then the stage on the frozen baseline. The batch is 8 in all: many small
# steps learn faster here than few large ones.
_base_ = [
    './_base_/default_runtime.py',
    './_base_/datasets/rendered_mesh.py',
    './_base_/models/dne_r50.py',
    './_base_/models/narrow_resnet18.py',
]
# Over the paper's symbols in _base_/models/dne_r50.py:
dne = dict(
    M=1,  # stages
    R=1,  # samples: on a CPU more cost thrice the time and gave nothing
    C=32,  # channels of F
    D=16,  # cells along an axis
    lambda_5=1.0,  # part segmentation: it also tells right from left
    lambda_presence=0.3,
    lambda_u=3.0,  # |u' - u*|: a departure of ours
    lambda_u_r=1.0,  # |u_r - u*|: a departure of ours
)
baseline_epochs, stage_epochs = 13, 4  # the two phases

norm_cfg = _base_.narrow_resnet18.norm_cfg
model = dict(
    data_preprocessor=dict(batch_augments=None),  # no noise: it takes a tenth of a step
    backbone=dict(_delete_=True, out_indices=(0, 1, 2, 3), **_base_.narrow_resnet18),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=dne['C'], norm_cfg=norm_cfg),
    aux_head=dict(
        in_channels=dne['C'],
        out_channels=dne['C'],
        mid_channels=32,
        norm_cfg=norm_cfg,
        loss=dict(lambda_5=dne['lambda_5']),
    ),
    mano_head=dict(
        in_channels=dne['C'],
        mid_channels=32,
        norm_cfg=norm_cfg,
        lambda_presence=dne['lambda_presence'],
    ),
    refine_head=dict(
        in_channels=dne['C'],
        map_size=32,  # 128 pixels at stride 4
        num_stages=dne['M'],
        num_samples=dne['R'],
        num_cells=dne['D'],
        estimator=dict(hidden_channels=48),
        coordinate_inputs=True,  # a departure of ours, see DNEStage
        loss_u=dne['lambda_u'],
        loss_regressed=dne['lambda_u_r'],
    ),
)

max_epochs = baseline_epochs + stage_epochs
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=2e-3),
    paramwise_cfg=dict(custom_keys=dict(refine_head=dict(lr_mult=2.0))),
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
        periods=[baseline_epochs, stage_epochs],
        restart_weights=[1, 1],
        eta_min=1e-5,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(
        type='TwoPhaseHook',
        begin=baseline_epochs,
        modules=['backbone', 'neck', 'aux_head', 'mano_head'],
    ),
]
model_wrapper_cfg = dict(type='MMDistributedDataParallel', find_unused_parameters=True)
