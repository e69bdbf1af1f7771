# Two stages that draw four samples each, on the free benchmark; the one whose noise is
# densest goes on to the second stage.
_base_ = ['./full.py']

model = dict(refine_head=dict(num_stages=2, num_samples=4))
