# Ours on the free benchmark: one correlation for all images, variances not mixed by it.
_base_ = ['./correlated.py']

model = dict(uncertainty_head=dict(covariance=dict(variances='apart')))
