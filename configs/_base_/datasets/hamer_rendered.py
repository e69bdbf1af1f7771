# The rendered CC0 hands of rendered_mesh.py, one hand per sample, for two CPU cores.
_base_ = ['./hamer_interhand26m.py']

data_root = 'data/rendered/'
input_size = 128  # pixels, all of which the small network reads
# A tighter crop than HaMeR's, whose box's centre is the crop's middle: nothing here
# starts from HaMeR's weights.
crop = dict(
    type='HaMeRCrop', input_size=input_size, padding=1.4, aspect=None, half_pixel=True
)
train_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(shift=0.02, scale=0.1, rotation=0, **crop),
    dict(type='PackHandInputs'),
]
val_pipeline = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    crop,
    dict(type='PackHandInputs'),
]
pair = dict(type='HandPair', source='cc0', tips='interhand')
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        dataset=dict(data_root=data_root, hand_model=pair, pipeline=train_pipeline)
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    dataset=dict(
        dataset=dict(
            _base_.interhand_test,
            data_root=data_root,
            hand_model=pair,
            pipeline=val_pipeline,
        )
    ),
)
test_dataloader = val_dataloader
