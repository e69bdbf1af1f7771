# FreiHAND v2: parts/freihand_files.py tells where its files lie, README.md more.
_base_ = [
    './parts/mesh_loaders.py',
    './parts/freihand_files.py',
    './parts/right_hand_pipelines.py',
]
input_size = _base_.right_hand_crop.input_size  # pixels
# The meshes of FreiHAND are MANO's: the real data need
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='freihand')
train_pipeline = _base_.right_hand_pipeline  # FreiHAND has no official box
val_pipeline = _base_.right_hand_val_pipeline

train_dataloader = dict(
    pin_memory=True,
    dataset=dict(
        hand_model=hand_model, pipeline=train_pipeline, **_base_.freihand_train
    ),
)
val_dataloader = dict(
    pin_memory=True,
    dataset=dict(hand_model=hand_model, pipeline=val_pipeline, **_base_.freihand_test),
)
test_dataloader = val_dataloader

# Official scores as freihand/xyz_al_mean3d (cm) and so on; raw scores are of the
# predicted position (root='given': on the true wrist).
val_evaluator = [dict(type='HandMeshMetric'), dict(type='FreiHANDMetric')]
test_evaluator = val_evaluator
