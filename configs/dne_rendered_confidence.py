# A learned confidence for the quick start's stage: a few epochs from its checkpoint,
# 4 samples each, on the frozen baseline. What it is worth:
#     python tools/train.py configs/dne_rendered_confidence.py
#     python tools/analysis_tools/rank_samples.py configs/dne_rendered_confidence.py \
#         work_dirs/dne_rendered_confidence/epoch_4.pth
_base_ = ['./dne_rendered.py']

model = dict(refine_head=dict(num_samples=4, confidence=dict(type='LearnedConfidence')))
load_from = 'work_dirs/quickstart/epoch_17.pth'
default_hooks = dict(
    checkpoint_match=dict(allow_missing=['refine_head.stages.0.confidence.'])
)
train_cfg = dict(max_epochs=4, val_interval=4)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=4,
        eta_min=1e-5,
        end=4,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(
        type='TwoPhaseHook',
        begin=0,
        modules=['backbone', 'neck', 'aux_head', 'mano_head'],
    ),
]
