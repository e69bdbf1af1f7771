# DNE Table 4, M=1 on the free benchmark: one stage.
_base_ = ['./full.py']

model = dict(refine_head=dict(num_stages=1))
