# How far the quick start's presence can be believed: half of the test crops lie beside
# the hands. Prints false and missed hands, AUC and the calibration error.
#     python tools/test.py configs/dne_rendered_presence.py \
#         work_dirs/quickstart/epoch_17.pth
_base_ = ['./dne_rendered.py']
test_dataloader = dict(
    # Its draws are the same on any number of processes.
    sampler=dict(type='KeyedSampler', shuffle=False, round_up=False),
    dataset=dict(
        pipeline=[
            dict(type='LoadHandImage'),
            dict(type='RandomHandFreeBox', prob=0.5),
            dict(type='MeshCrop', input_size=_base_.input_size),
            dict(type='PackHandInputs'),
        ],
    ),
)
test_evaluator = dict(_delete_=True, type='HandPresenceMetric')
