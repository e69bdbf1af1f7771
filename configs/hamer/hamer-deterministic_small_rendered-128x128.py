# HaMeR's pipeline small enough for two CPU cores and some minutes, on rendered hands.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/hamer_small.py',
    '../_base_/datasets/hamer_rendered.py',
    '../_base_/models/hamer_small.py',
]
model = dict(mano_head=dict(init_cam=(8.0, 0.0, 0.0)))  # the crop is 1/4 m wide
default_hooks = dict(checkpoint_match=dict(allow_missing=['uncertainty_head.']))
