# DNE Table 3, row 2: 2D noise only; the camera is refitted, the mesh stays.
_base_ = ['./dne-mlp_res50_10pct.py']

model = dict(refine_head=dict(noise_2d=True, noise_3d=False, camera='ridge'))
