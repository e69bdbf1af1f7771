# DNE Table 4, M=1: one refinement stage.
_base_ = ['./dne-mlp_res50_10pct.py']

model = dict(refine_head=dict(num_stages=1))
