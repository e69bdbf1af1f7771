# DNE Table 3, row 2 on the free benchmark: 2D noise only; the camera is refitted.
_base_ = ['./full.py']

model = dict(refine_head=dict(noise_2d=True, noise_3d=False, camera='ridge'))
