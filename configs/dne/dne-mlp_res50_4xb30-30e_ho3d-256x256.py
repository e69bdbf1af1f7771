# Dual Noise Estimation on HO-3D v2 or v3: the paper's model and schedule, not a
# training of the paper.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/dne_30e.py',
    '../_base_/datasets/ho3d_mesh.py',
    '../_base_/models/dne_r50.py',
]
