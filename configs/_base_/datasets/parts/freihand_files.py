# FreiHAND v2: training images before all four backgrounds, evaluation with its released
# ground truth. data_root holds what FreiHAND_pub_v2.zip and FreiHAND_pub_v2_eval.zip
# unpack to, with or without their top-level folders; see ../README.md.
freihand = dict(type='FreiHANDMeshDataset', data_root='data/freihand_v2/')
freihand_train = dict(split='training', **freihand)
freihand_test = dict(split='evaluation', test_mode=True, **freihand)
