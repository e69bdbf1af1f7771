# One stage that draws four samples, ranked by a learned confidence, on the free
# benchmark.
_base_ = ['./samples.py']

model = dict(refine_head=dict(confidence=dict(type='LearnedConfidence')))
