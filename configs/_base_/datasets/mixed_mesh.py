# InterHand2.6M, FreiHAND and HO-3D together; validation and test are InterHand2.6M's.
# An epoch has as many samples as the three have images, in these shares: they are the
# weights that HaMeR's training gives the three among its ten sets.
_base_ = ['./interhand26m_mesh.py']
shares = [0.25, 0.25, 0.05]
# One hand for all three: with the real data
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = _base_.hand_model

# The one-hand sets have tight boxes, InterHand2.6M's already hold 1.2 times theirs.
right_hand_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(
        type='MeshCrop',
        input_size=_base_.input_size,
        padding=1.5,
        shift=10,
        rotation=90,
        scale=(0.9, 1.1),
    ),
    dict(type='PackHandInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MixedHandDataset',
        shares=shares,
        datasets=[
            _base_.train_dataloader.dataset,
            dict(
                type='FreiHANDMeshDataset',
                data_root='data/freihand_v2/',
                split='training',
                hand_model=hand_model,
                pipeline=right_hand_pipeline,
            ),
            dict(
                type='HO3DMeshDataset',
                data_root='data/HO3D_v3/',
                ann_file='train.txt',
                hand_model=hand_model,
                pipeline=right_hand_pipeline,
            ),
        ],
    )
)
