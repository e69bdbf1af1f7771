# InterHand2.6M v1.0 one hand at a time, as HaMeR sees hands. A run on this set alone is
# not the paper's training; hamer_mixed.py has three of its ten sets.
_base_ = ['./parts/hamer_loaders.py', './parts/interhand26m_files.py']

train_dataloader = dict(dataset=dict(dataset=_base_.interhand_train))
val_dataloader = dict(dataset=dict(dataset=_base_.interhand_val))
test_dataloader = dict(dataset=dict(dataset=_base_.interhand_test))

val_evaluator = [dict(type='HandMeshMetric')]
test_evaluator = val_evaluator
