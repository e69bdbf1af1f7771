# DNE Figure 5 on the free benchmark: without camera correction.
_base_ = ['./full.py']

model = dict(refine_head=dict(camera='keep'))
