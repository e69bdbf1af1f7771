# FreiHAND v2 as HaMeR sees hands. HaMeR's own boxes of the evaluation are not public:
# these are the true joints'.
_base_ = ['./parts/hamer_loaders.py', './parts/freihand_files.py']

train_dataloader = dict(dataset=dict(dataset=_base_.freihand_train))
val_dataloader = dict(dataset=dict(dataset=_base_.freihand_test))
test_dataloader = val_dataloader

# The model's own joints (HaMeR's fingertips), as in HaMeR's evaluation.
val_evaluator = [dict(type='HandMeshMetric'), dict(type='FreiHANDMetric')]
test_evaluator = val_evaluator
