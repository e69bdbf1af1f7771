# FreiHAND v2: training images before all four backgrounds, evaluation with its released
# ground truth. data_root holds what FreiHAND_pub_v2.zip and FreiHAND_pub_v2_eval.zip
# unpack to, with or without their top-level folders; see README.md here.
dataset_type = 'FreiHANDMeshDataset'
data_root = 'data/freihand_v2/'
input_size = 256  # pixels
# The meshes of FreiHAND are MANO's: the real data need
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='freihand')
padding = 1.5  # crop over the tight box of the joints; FreiHAND has no official box

train_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(
        type='MeshCrop',
        input_size=input_size,
        padding=padding,
        shift=10,
        rotation=90,
        scale=(0.9, 1.1),
    ),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='MeshCrop', input_size=input_size, padding=padding),
    dict(type='PackHandInputs'),
]

train_dataloader = dict(
    batch_size=30,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='KeyedSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='training',
        hand_model=hand_model,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=30,
    num_workers=8,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='evaluation',
        hand_model=hand_model,
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

# Official scores as freihand/xyz_al_mean3d (cm) and so on; raw scores are of the
# predicted place (root='given': on the true wrist).
val_evaluator = [dict(type='HandMeshMetric'), dict(type='FreiHANDMetric')]
test_evaluator = val_evaluator
