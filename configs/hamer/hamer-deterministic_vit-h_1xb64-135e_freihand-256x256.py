# HaMeR fine-tuned on FreiHAND v2 alone by the second paper's recipe. Its 130,240 images
# are 2,035 batches of 64: 135 epochs are the recipe's 275,000. Start from converted
# weights: --cfg-options load_from=hamer.pth
_base_ = [
    '../_base_/hamer_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_freihand_v2.py',
    '../_base_/models/hamer_vit_h.py',
]
max_epochs = 135
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(type='ConstantLR', factor=1.0, begin=0, end=max_epochs, by_epoch=True),
]
