_base_ = ['../../configs/_base_/default_runtime.py']
custom_imports = dict(imports=['mmhand_dne', 'toy_parts'], allow_failed_imports=False)

model = dict(type='ToyRegressor')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='KeyedSampler', shuffle=True),
    dataset=dict(type='ToyLines'),
)
val_dataloader = dict(
    batch_size=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ToyLines', length=4),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ToyError')
test_evaluator = val_evaluator

train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=3, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-2))
param_scheduler = [dict(type='StepLR', step_size=1, gamma=0.5)]

default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1, num_digits=12)
visualizer = dict(
    _delete_=True, type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
)
log_level = 'WARNING'
