# The sets of one right hand per image. They have tight boxes of the joints, not the
# 1.2 times larger ones of InterHand2.6M: the crop is 1.5 times theirs, as HandOccNet
# has it.
right_hand_crop = dict(type='MeshCrop', input_size=256, padding=1.5)  # pixels, factor
right_hand_pipeline = [
    dict(type='LoadHandImage', mean=False),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(shift=10, rotation=90, scale=(0.9, 1.1), **right_hand_crop),
    dict(type='PackHandInputs'),
]
right_hand_val_pipeline = [
    dict(type='LoadHandImage'),
    right_hand_crop,
    dict(type='PackHandInputs'),
]
