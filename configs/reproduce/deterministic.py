# The poster's row A on the free benchmark: the baseline goes on as the rows with error
# bars do, without any.
_base_ = ['./baseline.py']

max_epochs = 12
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(_base_.param_scheduler[0], T_max=max_epochs, end=max_epochs),
]
