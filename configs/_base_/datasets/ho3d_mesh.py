# HO-3D v2 or v3: parts/ho3d_files.py tells where its files lie, README.md more.
_base_ = [
    './parts/mesh_loaders.py',
    './parts/ho3d_files.py',
    './parts/right_hand_pipelines.py',
]
input_size = _base_.right_hand_crop.input_size  # pixels
# The meshes of HO-3D are MANO's: the real data need
#     --cfg-options hand_model.source=FOLDER_OF_MANO_RIGHT_AND_LEFT.pkl
hand_model = dict(type='HandPair', source='cc0', tips='ho3d')
train_pipeline = _base_.right_hand_pipeline
val_pipeline = _base_.right_hand_val_pipeline

train_dataloader = dict(
    pin_memory=True,
    dataset=dict(
        data_prefix=dict(img='train'),
        hand_model=hand_model,
        pipeline=train_pipeline,
        **_base_.ho3d_train,
    ),
)
val_dataloader = dict(
    pin_memory=True,
    dataset=dict(
        data_prefix=dict(img='evaluation'),
        hand_model=hand_model,
        pipeline=val_pipeline,
        **_base_.ho3d_test,
    ),
)
test_dataloader = val_dataloader

# Official scores as ho3d/xyz_procrustes_al_mean3d (cm) and so on; the hand is put on
# the wrist that the evaluation gives (root='predicted': the model's own position).
val_evaluator = [dict(type='HandMeshMetric'), dict(type='HO3DMetric')]
test_evaluator = val_evaluator
