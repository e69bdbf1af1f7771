# Ours on the free benchmark: variances from each coordinate's own density, as in the
# diagonal row, and one correlation for all images on top.
_base_ = ['./apart.py']

model = dict(uncertainty_head=dict(loss=dict(mode='margins')))
