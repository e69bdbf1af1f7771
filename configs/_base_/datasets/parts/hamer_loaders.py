# One hand at a time, as HaMeR sees hands: every left hand's image is mirrored, each
# hand is cut out alone. The config of the model adds its hand_model to every data set;
# each data set adds its files to the inner dataset.
_base_ = ['./mesh_loaders.py']
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
    dict(
        type='HaMeRCrop',
        input_size=input_size,
        padding=2.0,
        aspect=(192, 256),
        blur='demo',  # for photos, as HaMeR's demo; not in the evaluation, as there
    ),
    dict(type='PackHandInputs'),
]
pair = dict(type='HandPair', source='cc0', tips='smplx')

train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        type='SingleHandDataset',
        dataset=dict(hand_model=pair, pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    batch_size=64,
    dataset=dict(
        type='SingleHandDataset', dataset=dict(hand_model=pair, pipeline=val_pipeline)
    ),
)
test_dataloader = val_dataloader
