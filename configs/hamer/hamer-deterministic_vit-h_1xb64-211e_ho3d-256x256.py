# HaMeR fine-tuned on HO-3D alone by the second paper's recipe. The 83,325 frames of
# version 3 are 1,302 batches of 64: 211 epochs are the recipe's 275,000. Start from
# converted weights: --cfg-options load_from=hamer.pth
_base_ = [
    '../_base_/hamer_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_ho3d.py',
    '../_base_/models/hamer_vit_h.py',
]
max_epochs = 211
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(type='ConstantLR', factor=1.0, begin=0, end=max_epochs, by_epoch=True),
]
