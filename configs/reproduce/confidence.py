# Two stages that draw four samples each, on the free benchmark; the one that a learned
# confidence ranks first goes on to the second stage.
_base_ = ['./samples.py']

model = dict(refine_head=dict(confidence=dict(type='LearnedConfidence')))
