# DNE "Implementation Details": Adam, batch 120 on 4 GPUs, 30 epochs, learning rate
# 1e-3 halved after each epoch down to 1e-6.
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    type='OptimWrapper',
    # fused: one operator a step in place of nine a parameter; the same update.
    optimizer=dict(type='Adam', lr=1e-3, fused=True),
    # The paper clips nothing that it tells of [decided]: norms are in the hundreds in
    # the first steps and near this bound later, and Adam divides by them anyway.
    clip_grad=dict(max_norm=20.0, norm_type=2),
)

# MMEngine counts end=11 for 10 halvings: epochs 1..11 run at 1e-3 / 2**(epoch - 1), and
# from then on at 1e-3 / 2**10 = 9.8e-7, the floor of 1e-6 to its one printed digit.
param_scheduler = [
    dict(type='StepLR', step_size=1, gamma=0.5, begin=0, end=11, by_epoch=True),
]

auto_scale_lr = dict(base_batch_size=120, enable=False)  # 4 GPUs x 30
