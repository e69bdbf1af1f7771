# HaMeR's own recipe: learning rate 1e-5, batch 8 x 32. It starts from ViTPose's
# backbone; give yours with model.backbone.init_cfg.
_base_ = ['./hamer-deterministic_vit-h_1xb64-9e_interhand26m-256x256.py']

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
auto_scale_lr = dict(base_batch_size=256)  # 8 GPUs x 32
