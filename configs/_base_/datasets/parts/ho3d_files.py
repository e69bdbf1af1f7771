# HO-3D v2 or v3 (the files tell), evaluation with its released ground truth; see
# ../README.md.
ho3d = dict(type='HO3DMeshDataset', data_root='data/HO3D_v3/')
ho3d_train = dict(ann_file='train.txt', **ho3d)
ho3d_test = dict(
    ann_file='evaluation.txt',
    xyz_file='evaluation_xyz.json',
    verts_file='evaluation_verts.json',
    test_mode=True,
    **ho3d,
)
