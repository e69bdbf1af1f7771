# DNE Figure 5: 2D noise moves the sampling points, the camera stays.
_base_ = ['./dne-mlp_res50_10pct.py']

model = dict(refine_head=dict(camera='keep'))
