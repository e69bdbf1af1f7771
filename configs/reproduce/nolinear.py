# The poster's ablation "ours without linear layer" on the free benchmark.
_base_ = ['./correlated.py']

model = dict(uncertainty_head=dict(covariance=dict(linear=False)))
