# The paper's way on the free benchmark: regressor and stages from nothing, all at once.
_base_ = ['./full.py']

# The regressor's own learning rate, as in baseline.py.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(mano_head=dict(lr_mult=0.5))))
custom_hooks = []
