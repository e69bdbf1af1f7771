# The poster's row A on HO-3D v2: the mean alone. Its 66,034 frames are 1,032 batches of
# 64: 267 epochs are the recipe's 275,000.
_base_ = ['../hamer-deterministic_vit-h_1xb64-211e_ho3d-256x256.py']

version_2 = dict(dataset=dict(dataset=dict(data_root='data/HO3D_v2/')))
train_dataloader = version_2
val_dataloader = version_2
test_dataloader = version_2
max_epochs = 267
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='ConstantLR', factor=1.0, begin=0, end=max_epochs, by_epoch=True),
]
