# DNE Table 2, row 1: the parametric fitting baseline, no refinement.
_base_ = ['./dne-mlp_res50_10pct.py']

model = dict(refine_head=None)
