# Ours on the free benchmark: what margins.py is, in the axes of each hand's own wrist.
_base_ = ['./margins.py']

model = dict(uncertainty_head=dict(frame='hand'))
