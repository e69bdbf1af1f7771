# FreiHAND v2 as HaMeR sees hands; see freihand_mesh.py for the data. HaMeR's own boxes
# of the evaluation are not public: these are the true joints'.
_base_ = ['./hamer_interhand26m.py']
data_root = 'data/freihand_v2/'

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='FreiHANDMeshDataset',
            data_root=data_root,
            split='training',
            hand_model=_base_.pair,
            pipeline=_base_.train_pipeline,
        )
    )
)
val_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='FreiHANDMeshDataset',
            data_root=data_root,
            split='evaluation',
            hand_model=_base_.pair,
            pipeline=_base_.val_pipeline,
            test_mode=True,
        )
    )
)
test_dataloader = val_dataloader

# The model's own joints (HaMeR's fingertips), as in HaMeR's evaluation.
val_evaluator = [dict(type='HandMeshMetric'), dict(type='FreiHANDMetric')]
test_evaluator = val_evaluator
