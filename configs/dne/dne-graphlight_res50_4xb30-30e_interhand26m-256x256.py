# A light graph variant, with hardly more weights than the perceptron's; not a row of
# the paper.
_base_ = ['./dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']

model = dict(
    refine_head=dict(
        estimator=dict(
            _delete_=True,
            type='NoiseGraphAttention',
            hidden_channels=64,
            num_clusters=128,
        )
    )
)
