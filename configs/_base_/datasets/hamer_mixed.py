# InterHand2.6M, FreiHAND and HO-3D together, one hand a sample; validation and test are
# InterHand2.6M's. The shares are the weights that HaMeR's training gives the three
# among its ten sets: still not the paper's training.
_base_ = ['./hamer_interhand26m.py']
shares = [0.25, 0.25, 0.05]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MixedHandDataset',
        shares=shares,
        datasets=[
            _base_.train_dataloader.dataset,
            dict(
                type='SingleHandDataset',
                dataset=dict(
                    type='FreiHANDMeshDataset',
                    data_root='data/freihand_v2/',
                    split='training',
                    hand_model=_base_.pair,
                    pipeline=_base_.train_pipeline,
                ),
            ),
            dict(
                type='SingleHandDataset',
                dataset=dict(
                    type='HO3DMeshDataset',
                    data_root='data/HO3D_v3/',
                    ann_file='train.txt',
                    hand_model=_base_.pair,
                    pipeline=_base_.train_pipeline,
                ),
            ),
        ],
    )
)
