# HO-3D v2 or v3 as HaMeR sees hands; see ho3d_mesh.py for the data.
_base_ = ['./hamer_interhand26m.py']
data_root = 'data/HO3D_v3/'

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='HO3DMeshDataset',
            data_root=data_root,
            ann_file='train.txt',
            hand_model=_base_.pair,
            pipeline=_base_.train_pipeline,
        )
    )
)
val_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='HO3DMeshDataset',
            data_root=data_root,
            ann_file='evaluation.txt',
            xyz_file='evaluation_xyz.json',
            verts_file='evaluation_verts.json',
            hand_model=_base_.pair,
            pipeline=_base_.val_pipeline,
            test_mode=True,
        )
    )
)
test_dataloader = val_dataloader

# The model's own joints (HaMeR's fingertips), as in HaMeR's evaluation.
val_evaluator = [dict(type='HandMeshMetric'), dict(type='HO3DMetric')]
test_evaluator = val_evaluator
