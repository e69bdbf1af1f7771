# HO-3D v2 or v3 as HaMeR sees hands.
_base_ = ['./parts/hamer_loaders.py', './parts/ho3d_files.py']

train_dataloader = dict(dataset=dict(dataset=_base_.ho3d_train))
val_dataloader = dict(dataset=dict(dataset=_base_.ho3d_test))
test_dataloader = val_dataloader

# The model's own joints (HaMeR's fingertips), as in HaMeR's evaluation.
val_evaluator = [dict(type='HandMeshMetric'), dict(type='HO3DMetric')]
test_evaluator = val_evaluator
