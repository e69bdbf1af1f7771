# Rendered CC0 hands in InterHand2.6M's layout, at a size for two CPU cores:
#     python tools/make_rendered_data.py data/rendered --train 1024 --test 256 \
#         --image-size 256 180 --max-turn 35 --camera-spread 20 \
#         --occlusion-share 0.1 --interacting-share 0.15
_base_ = ['./interhand26m_mesh.py']

data_root = 'data/rendered/'
input_size = 128  # pixels
crop = dict(type='MeshCrop', input_size=input_size)
train_pipeline = [
    dict(type='LoadHandImage', mean=False),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(type='RandomHandFreeBox', prob=0.1),  # presence learns what is no hand
    dict(shift=5, rotation=0, scale=(0.9, 1.1), **crop),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    crop,
    dict(type='PackHandInputs'),
]
train_dataloader = dict(
    pin_memory=False,
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
# No validation split is rendered: nothing is chosen by it, the last checkpoint counts.
val_dataloader = dict(
    pin_memory=False,
    batch_size=32,
    num_workers=1,
    dataset=dict(_base_.interhand_test, data_root=data_root, pipeline=val_pipeline),
)
test_dataloader = val_dataloader

# InterHand2.6M's public protocols say nothing about rendered hands.
val_evaluator = dict(protocols=[])
test_evaluator = val_evaluator
