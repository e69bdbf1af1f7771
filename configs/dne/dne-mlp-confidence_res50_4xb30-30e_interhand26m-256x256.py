# The paper's recipe with a learned confidence of the R samples in place of the density
# of their noise, which says nothing of the image.
_base_ = ['./dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']

model = dict(refine_head=dict(confidence=dict(type='LearnedConfidence')))
