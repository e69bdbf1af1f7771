# The paper's variant Ours-GraphAttn (DNE Table 1), as wide as IntagHand's decoder.
_base_ = ['./dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']

model = dict(
    refine_head=dict(
        estimator=dict(
            _delete_=True,
            type='ChebyshevGraphAttention',
            num_clusters=(63, 126, 252),
            in_widths=(512, 256, 128),
            widths=(256, 128, 64),
            num_convs=4,
            order=2,  # polynomials: the node and its neighbours
        )
    )
)
