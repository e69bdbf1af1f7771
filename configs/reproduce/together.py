# Full DNE on the free benchmark, its converged regressor being trained on with it.
_base_ = ['./full.py']

# The regressor's own learning rate, as where error bars train it on.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(mano_head=dict(lr_mult=0.15))))
custom_hooks = []
