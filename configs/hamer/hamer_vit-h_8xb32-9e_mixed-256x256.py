# HaMeR's own recipe on the three sets of its mixture that are configured here. It
# starts from ViTPose's backbone; give yours with model.backbone.init_cfg.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_mixed.py',
    '../_base_/models/hamer_vit_h.py',
]
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
auto_scale_lr = dict(base_batch_size=256)  # 8 GPUs x 32
