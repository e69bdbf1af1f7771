# InterHand2.6M v1.0 at 5 fps with NeuralAnnot's MANO, in its official layout:
# data_root/images/{train,val,test}/Capture*/... and data_root/annotations/{...}/.
dataset_type = 'InterHandMeshDataset'
data_root = 'data/interhand2.6m/'
input_size = 256  # pixels
# The hand of the whole run, model and data. MANO is one line here, or
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='interhand')

train_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='RandomMeshFlip', prob=0.5),
    # DNE Sec. 4.1; Gaussian noise is added on the training device.
    dict(
        type='MeshCrop', input_size=input_size, shift=10, rotation=90, scale=(0.9, 1.1)
    ),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='MeshCrop', input_size=input_size),
    dict(type='PackHandInputs'),
]

train_dataloader = dict(
    batch_size=30,  # 4 GPUs x 30 = 120, DNE Sec. 4.1
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='KeyedSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img='images/train'),
        ann_file='annotations/train/InterHand2.6M_train_data.json',
        camera_file='annotations/train/InterHand2.6M_train_camera.json',
        joint_file='annotations/train/InterHand2.6M_train_joint_3d.json',
        mano_file='annotations/train/InterHand2.6M_train_MANO_NeuralAnnot.json',
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
        data_prefix=dict(img='images/test'),
        ann_file='annotations/test/InterHand2.6M_test_data.json',
        camera_file='annotations/test/InterHand2.6M_test_camera.json',
        joint_file='annotations/test/InterHand2.6M_test_joint_3d.json',
        mano_file='annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json',
        hand_model=hand_model,
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

# Two public protocols, never comparable with each other, beside the paper's numbers:
# wrist/ (InterWild: wrist root, unscaled; its tables are of the human-annotated images)
# and mcp_scaled/ (IntagHand: two-hand images, middle knuckle, true bone length).
val_evaluator = dict(
    type='HandMeshMetric', protocols=['wrist', 'mcp_scaled'], hand_model=hand_model
)
test_evaluator = val_evaluator
