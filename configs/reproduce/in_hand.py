# Ours on the free benchmark: the poster's covariance, in the axes of each hand's own
# wrist.
_base_ = ['./correlated.py']

model = dict(uncertainty_head=dict(frame='hand'))
