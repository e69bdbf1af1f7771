# InterHand2.6M, FreiHAND and HO-3D together, one hand per sample; validation and test
# are InterHand2.6M's. The shares are the weights that HaMeR's training gives the three
# among its ten sets: still not the paper's training.
_base_ = [
    './hamer_interhand26m.py',
    './parts/freihand_files.py',
    './parts/ho3d_files.py',
]
shares = [0.25, 0.25, 0.05]

one_hand = dict(hand_model=_base_.pair, pipeline=_base_.train_pipeline)
datasets = [
    _base_.train_dataloader.dataset,
    dict(type='SingleHandDataset', dataset=dict(**one_hand, **_base_.freihand_train)),
    dict(type='SingleHandDataset', dataset=dict(**one_hand, **_base_.ho3d_train)),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='MixedHandDataset', shares=shares, datasets=datasets
    )
)
