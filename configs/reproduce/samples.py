# One stage that draws four samples, ranked by the density of their noise, on the free
# benchmark.
_base_ = ['./m1.py']

model = dict(refine_head=dict(num_samples=4))
