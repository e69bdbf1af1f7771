# The diagonal covariance in the axes of the hand's own wrist: what the axes alone do.
_base_ = ['./diagonal.py']

model = dict(uncertainty_head=dict(frame='hand'))
