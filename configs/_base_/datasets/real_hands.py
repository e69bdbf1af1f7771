# Rendered hands as photos show them, one hand a crop, each turned upright, and photos
# whose landmarks a network read. A left hand's image is mirrored first.
#     python tools/make_rendered_data.py data/real/rendered ...  (tools/train_real.sh)
#     python tools/dataset_converters/label_photos.py ...
_base_ = ['./parts/mesh_loaders.py', './parts/interhand26m_files.py']

rendered_root, photo_root = 'data/real/rendered/', 'data/real/photos/'
photo_file = 'data/real/photo_landmarks.json'
shares = [0.8, 0.2]  # of rendered hands and photos in an epoch
epoch_length = 26000  # crops
pair = dict(type='HandPair', source='cc0', tips='interhand')
# The square that MediaPipe Hands cuts about known landmarks is twice the box.
crop = dict(type='HaMeRCrop', input_size=224, padding=2.0, aspect=None, half_pixel=True)
train_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='UprightHandBox'),
    dict(shift=0.08, scale=0.12, rotation=15, rotation_prob=1.0, color=0.2, **crop),
    # From renderings to photos, what light and cameras do counts.
    dict(type='LightDistortion'),
    dict(type='RandomGrayscale', prob=0.1, keep_channels=True),
    dict(type='CheapCamera'),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='UprightHandBox'),
    crop,
    dict(type='PackHandInputs'),
]
rendered = dict(data_root=rendered_root, hand_model=pair)
single_hands = dict(type='SingleHandDataset', min_joints=12)
rendered_train = dict(
    dataset=dict(_base_.interhand_train, pipeline=train_pipeline, **rendered),
    **single_hands,
)
photos = dict(
    type='SingleHandDataset',
    dataset=dict(
        type='LandmarkedPhotoDataset',
        ann_file=photo_file,
        data_prefix=dict(img=photo_root),
        hand_model=pair,
        pipeline=train_pipeline,
    ),
)
train_dataloader = dict(
    batch_size=8,  # 16 in all, on two processes
    num_workers=1,
    dataset=dict(
        type='MixedHandDataset',
        datasets=[rendered_train, photos],
        shares=shares,
        epoch_length=epoch_length,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    dataset=dict(
        dataset=dict(_base_.interhand_test, pipeline=val_pipeline, **rendered),
        **single_hands,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='HandMeshMetric'), dict(type='SparsificationMetric')]
test_evaluator = val_evaluator
