# The baseline of Tables 2 to 4 on the free benchmark (M=0): a regressor of MANO and
# camera on the frozen networks' token, trained until its error is flat.
_base_ = ['./full.py']

levels = [4]  # the token alone
model = dict(
    backbone=dict(shapes=[(2304, 1, 1)]),
    neck=None,
    mano_level=0,
    refine_head=None,
)
max_epochs = 40
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_dataloader = dict(batch_size=64, dataset=dict(levels=levels))
val_dataloader = dict(dataset=dict(levels=levels))
test_dataloader = dict(dataset=dict(levels=levels))
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(_base_.param_scheduler[0], T_max=max_epochs, end=max_epochs),
]
custom_hooks = []
default_hooks = dict(checkpoint_match=dict(allow_missing=[]))
