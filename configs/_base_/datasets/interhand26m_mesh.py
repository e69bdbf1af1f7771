# InterHand2.6M: parts/interhand26m_files.py tells where its files lie.
_base_ = ['./parts/mesh_loaders.py', './parts/interhand26m_files.py']
input_size = 256  # pixels
# The hand of the whole run, model and data. MANO is one line here, or
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='interhand')

train_pipeline = [
    dict(type='LoadHandImage', mean=False),
    dict(type='RandomMeshFlip', prob=0.5),
    # DNE "Implementation Details"; Gaussian noise is added on the training device.
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
    pin_memory=True,
    dataset=dict(
        hand_model=hand_model,
        pipeline=train_pipeline,
        posed=False,  # hands are posed with their batch, on the training device
        **_base_.interhand_train,
    ),
)
# The best checkpoint is chosen on the validation split; the test split is for the end.
val_dataloader = dict(
    pin_memory=True,
    dataset=dict(hand_model=hand_model, pipeline=val_pipeline, **_base_.interhand_val),
)
test_dataloader = dict(
    pin_memory=True,
    dataset=dict(hand_model=hand_model, pipeline=val_pipeline, **_base_.interhand_test),
)

# Two public protocols, never comparable with each other, beside the paper's numbers:
# wrist/ (InterWild: wrist root, unscaled; its tables are of the human-annotated images)
# and mcp_scaled/ (IntagHand: two-hand images, middle knuckle, true bone length).
val_evaluator = dict(
    type='HandMeshMetric', protocols=['wrist', 'mcp_scaled'], hand_model=hand_model
)
test_evaluator = val_evaluator
