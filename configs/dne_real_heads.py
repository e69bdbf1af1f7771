# The first step of tools/train_real.sh: the regressor of dne_real.py on its frozen
# network, so that its random weights do not spoil the network's.
_base_ = ['./dne_real.py']

max_epochs = 1
model = dict(backbone=dict(frozen_levels=5))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
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
custom_hooks = [
    dict(type='TwoPhaseHook', begin=max_epochs, modules=['backbone', 'mano_head']),
]
