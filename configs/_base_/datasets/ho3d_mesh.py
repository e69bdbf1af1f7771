# HO-3D v2 or v3 (the files tell), evaluation with its released ground truth; see
# README.md.
dataset_type = 'HO3DMeshDataset'
data_root = 'data/HO3D_v3/'
input_size = 256  # pixels
# The meshes of HO-3D are MANO's: the real data need
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='ho3d')
padding = 1.5  # crop over the tight box, as HandOccNet has it

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
        data_prefix=dict(img='train'),
        ann_file='train.txt',
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
        data_prefix=dict(img='evaluation'),
        ann_file='evaluation.txt',
        xyz_file='evaluation_xyz.json',
        verts_file='evaluation_verts.json',
        hand_model=hand_model,
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

# Official scores as ho3d/xyz_procrustes_al_mean3d (cm) and so on; the hand is put on
# the wrist that the evaluation gives (root='predicted': the model's own place).
val_evaluator = [dict(type='HandMeshMetric'), dict(type='HO3DMetric')]
test_evaluator = val_evaluator
