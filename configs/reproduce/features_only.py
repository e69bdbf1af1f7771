# Full DNE on the free benchmark, phi and varphi on sampled features alone (Eq. 3-4).
_base_ = ['./full.py']

model = dict(refine_head=dict(coordinate_inputs=False))
