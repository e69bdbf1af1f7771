# InterHand2.6M v1.0 one hand at a time, as HaMeR sees hands: every left hand's image is
# mirrored, each hand is cut out alone. The other sets of HaMeR's mixture (FreiHAND,
# HO3D and more) come later; a run on this set alone is not the paper's training.
# The config of the model adds its hand_model to every data set.
data_root = 'data/interhand2.6m/'
input_size = 256  # pixels; the network reads the middle 192 columns

train_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(
        type='HaMeRCrop',
        input_size=input_size,
        padding=2.0,
        aspect=None,  # HaMeR trains on the longer side
        shift=0.02,
        scale=0.3,
        rotation=30,
        color=0.2,
    ),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='HaMeRCrop', input_size=input_size, padding=2.0, aspect=(192, 256)),
    dict(type='PackHandInputs'),
]
train_files = dict(
    data_prefix=dict(img='images/train'),
    ann_file='annotations/train/InterHand2.6M_train_data.json',
    camera_file='annotations/train/InterHand2.6M_train_camera.json',
    joint_file='annotations/train/InterHand2.6M_train_joint_3d.json',
    mano_file='annotations/train/InterHand2.6M_train_MANO_NeuralAnnot.json',
)
test_files = dict(
    data_prefix=dict(img='images/test'),
    ann_file='annotations/test/InterHand2.6M_test_data.json',
    camera_file='annotations/test/InterHand2.6M_test_camera.json',
    joint_file='annotations/test/InterHand2.6M_test_joint_3d.json',
    mano_file='annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json',
)
pair = dict(type='HandPair', source='cc0', tips='smplx')

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='KeyedSampler', shuffle=True),
    dataset=dict(
        type='SingleHandDataset',
        dataset=dict(
            type='InterHandMeshDataset',
            data_root=data_root,
            hand_model=pair,
            pipeline=train_pipeline,
            **train_files,
        ),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='SingleHandDataset',
        dataset=dict(
            type='InterHandMeshDataset',
            data_root=data_root,
            hand_model=pair,
            pipeline=val_pipeline,
            test_mode=True,
            **test_files,
        ),
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='HandMeshMetric')]
test_evaluator = val_evaluator
