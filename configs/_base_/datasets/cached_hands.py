# Crops of one rendered hand as the shipped model's frozen networks see them, computed
# once:
#     bash tools/reproduce/benchmark.sh
cache_root = 'data/benchmark/cache/'
levels = [0, 1, 2, 3, 4]  # the networks' maps at strides 4 to 32, and their token
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='KeyedSampler', shuffle=True),
    dataset=dict(type='CachedHandDataset', folder=cache_root + 'train', levels=levels),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CachedHandDataset',
        folder=cache_root + 'test',
        levels=levels,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
# All crops, and apart those with something before or in the hand or out of focus.
val_evaluator = dict(
    type='HandSetsEvaluator',
    datasets=[None, 'hard', 'plain'],
    metrics=[dict(type='HandMeshMetric') for _ in range(3)],
)
test_evaluator = val_evaluator
