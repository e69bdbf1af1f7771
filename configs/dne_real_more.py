# dne_real, trained on from weights that there are: network and regressor, then both
# with the stages and the error bars. tools/train_real.sh --start FILE runs it, on more
# images or on photos of one's own.
_base_ = ['./dne_real.py']

network_epochs, stage_epochs = 2, 1
max_epochs = network_epochs + stage_epochs
load_from = 'mmhand_dne/weights/dne_real.pth'
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(
        _base_.param_scheduler[0],
        periods=[network_epochs, stage_epochs],
        restart_weights=[0.6, 0.6],
        end=max_epochs,
    )
]
custom_hooks = [dict(type='TwoPhaseHook', begin=network_epochs, modules=[])]
