# The loaders of every mesh set, 30 images per GPU; each data set adds its own dataset.
# Crops are stacked in the workers. Sets that are meant for GPUs have pin_memory=True
# besides; a CPU has nothing to pin them for.
collate = dict(type='stack_crops')
train_dataloader = dict(
    batch_size=30,  # 4 GPUs x 30 = 120 of DNE
    num_workers=8,
    persistent_workers=True,
    collate_fn=collate,
    sampler=dict(type='KeyedSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=30,
    num_workers=8,
    persistent_workers=True,
    collate_fn=collate,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
)
test_dataloader = val_dataloader
