# Full DNE on the free benchmark without our departures: phi and varphi on sampled
# features alone (Eq. 3-4), and image-plane points that are taught by the mesh alone.
_base_ = ['./features_only.py']

model = dict(refine_head=dict(loss_u=0.0, loss_regressed=0.0))
