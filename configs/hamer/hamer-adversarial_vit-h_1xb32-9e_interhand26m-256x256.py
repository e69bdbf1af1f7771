# HaMeR's own recipe with its adversarial prior, on one GPU. HaMeR's real hands are a
# file of FreiHAND's motion capture: model.real_hands.source=FILE.npz; without it the
# batch's own true hands are the real ones.
_base_ = ['./hamer_vit-h_8xb32-9e_interhand26m-256x256.py']

model = dict(
    type='AdversarialHandMeshEstimator',
    discriminator=dict(type='MANOPriorDiscriminator'),
    real_hands=dict(type='RealHands', source='batch'),
    adversarial_weight=5e-4,
)
optim_wrapper = dict(constructor='AdversarialOptimWrapperConstructor')
auto_scale_lr = dict(_delete_=True, base_batch_size=32, enable=False)
