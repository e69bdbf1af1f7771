# DNE Table 2, row 2: 3D noise only; points and camera stay the baseline's.
_base_ = ['./dne-mlp_res50_10pct.py']

model = dict(refine_head=dict(noise_2d=False, noise_3d=True, camera='keep'))
