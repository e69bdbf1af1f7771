# What every run shares. Leaves override single keys.
default_scope = 'mmpose'
custom_imports = dict(imports=['mmhand_dne'], allow_failed_imports=False)

default_hooks = dict(
    # Losses: averaged over processes, and a stop before one that is not finite.
    finite_loss=dict(type='FiniteLossHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # iter_interval=N adds a checkpoint every N iterations inside the epochs.
    checkpoint=dict(
        type='AtomicCheckpointHook',
        interval=1,
        iter_interval=0,
        max_keep_ckpts=3,
        save_best='MPVPE_All',
        rule='less',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    norm_buffers=dict(type='SyncNormBuffersHook'),
    # Generators of every process, so that --resume continues bit by bit.
    random_state=dict(type='RandomStateHook'),
    # allow_missing=['refine_head.'] starts a refined model from its baseline.
    checkpoint_match=dict(type='CheckpointMatchHook'),
    visualization=dict(type='HandVisualizationHook', enable=False),
)

# Averaged weights for validation, test and the best checkpoint:
# custom_hooks = [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=2e-4,
#                      priority='NORMAL')]
custom_hooks = []

# Batch norm over all GPUs instead of each GPU's own images; not on a CPU:
# sync_bn = 'torch'

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Without CUDA the tools use gloo.
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0, deterministic=False)

vis_backends = [
    dict(type='LocalVisBackend'),
    # dict(type='TensorboardVisBackend'),
]
visualizer = dict(
    type='HandMeshVisualizer', vis_backends=vis_backends, name='visualizer'
)

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=6)
log_level = 'INFO'
load_from = None
resume = False
