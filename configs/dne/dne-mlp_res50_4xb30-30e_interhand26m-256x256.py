# The paper's recipe, variant Ours-MLP (DNE Table 1): ResNet-50, M=3, all frames.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/schedules/dne_30e.py',
    '../_base_/datasets/interhand26m_mesh.py',
    '../_base_/models/dne_r50.py',
]
