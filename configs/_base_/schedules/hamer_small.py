# Two CPU cores, from nothing.
max_epochs = 20
train_cfg = dict(
    type='ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3),
    # What has no trained weights to start from learns faster. W moves by the learning
    # rate per step, relative to itself, and has some hundred to some thousand steps
    # here: on a toy of 8 x 768 and of 8 x 2560 samples 2e-2 recovered more of the
    # correlation than 5e-3, and 5e-2 was too noisy.
    paramwise_cfg=dict(
        custom_keys={
            'uncertainty_head': dict(lr_mult=5.0),
            'uncertainty_head.covariance.lower_upper': dict(lr_mult=20.0),
        }
    ),
    clip_grad=dict(max_norm=100.0, norm_type=2),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
