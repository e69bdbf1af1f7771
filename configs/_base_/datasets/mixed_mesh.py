# InterHand2.6M, FreiHAND and HO-3D together; validation and test are InterHand2.6M's.
# An epoch has as many samples as the three have images, in these shares: they are the
# weights that HaMeR's training gives the three among its ten sets.
_base_ = [
    './interhand26m_mesh.py',
    './parts/freihand_files.py',
    './parts/ho3d_files.py',
    './parts/right_hand_pipelines.py',
]
shares = [0.25, 0.25, 0.05]

# One hand for all three: with the real data
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
right_hand = dict(hand_model=_base_.hand_model, pipeline=_base_.right_hand_pipeline)
datasets = [
    _base_.train_dataloader.dataset,
    dict(**right_hand, **_base_.freihand_train),
    dict(**right_hand, **_base_.ho3d_train),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='MixedHandDataset', shares=shares, datasets=datasets
    )
)
