# The free benchmark from its images: what the cache is made with, and the same training
# as full.py without it.
_base_ = ['./full.py', '../_base_/datasets/parts/interhand26m_files.py']

image_root = 'data/benchmark/images/'
pair = dict(type='HandPair', source='cc0', tips='interhand')
# As the shipped model's crops, see _base_/datasets/real_hands.py.
crop = dict(type='HaMeRCrop', input_size=224, padding=2.0, aspect=None, half_pixel=True)
one_hand = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='UprightHandBox'),
]
train_pipeline = [
    *one_hand,
    dict(shift=0.08, scale=0.12, rotation=15, rotation_prob=1.0, color=0.2, **crop),
    dict(type='PackHandInputs'),
]
test_pipeline = [*one_hand, crop, dict(type='PackHandInputs')]
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='HandDataPreprocessor',
        mean=[0.0, 0.0, 0.0],
        std=[255.0, 255.0, 255.0],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        _delete_=True,
        type='FrozenHandNet',
        init_cfg=dict(type='Pretrained', checkpoint=_base_.shipped, prefix='backbone'),
    ),
)
hands = dict(_delete_=True, type='SingleHandDataset', min_joints=12)
where = dict(data_root=image_root, hand_model=pair)
train_dataloader = dict(
    dataset=dict(
        dataset=dict(_base_.interhand_train, pipeline=train_pipeline, **where), **hands
    )
)
val_dataloader = dict(
    dataset=dict(
        dataset=dict(_base_.interhand_test, pipeline=test_pipeline, **where), **hands
    )
)
test_dataloader = val_dataloader
