# The backbone of the models for two CPU cores. GroupNorm, since SyncBatchNorm does not
# exist on a CPU; groups of one or two channels, since with larger ones right and left
# are not told apart in this time.
narrow_resnet18 = dict(
    type='ResNet',
    depth=18,
    stem_channels=16,
    base_channels=16,
    zero_init_residual=False,  # from scratch: a silent branch learns late
    norm_cfg=dict(type='GN', num_groups=16),
)
