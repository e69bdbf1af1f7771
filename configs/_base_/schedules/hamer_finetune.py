# The second paper's recipe: AdamW, learning rate 1e-6, weight decay 1e-4, batch 64,
# 275 000 batches from HaMeR's weights, without schedule or clipping. An epoch of
# InterHand2.6M's hands has some 30 000 batches, so 9 epochs are of that length.
#
# A leaf that trains W (`uncertainty_heads.correlated`) takes `mixing_rate` too: W's
# learning rates have to sum up to some 4 to learn any correlation from none
# (tools/analysis_tools/covariance_toy.py --mixing-sums); 275 000 times 1e-6 are 0.3.
max_epochs = 9
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-6, weight_decay=1e-4)
)
param_scheduler = [
    dict(type='ConstantLR', factor=1.0, begin=0, end=max_epochs, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=64, enable=False)
mixing_rate = dict(
    paramwise_cfg=dict(
        custom_keys={'uncertainty_head.covariance.lower_upper': dict(lr_mult=20.0)}
    )
)
