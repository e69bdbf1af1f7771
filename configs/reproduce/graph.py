# The paper's variant Ours-GraphAttn (DNE Table 1) on the free benchmark, a quarter as
# wide as IntagHand's decoder.
_base_ = ['./full.py']

model = dict(
    refine_head=dict(
        estimator=dict(
            _delete_=True,
            type='ChebyshevGraphAttention',
            num_clusters=(63, 126, 252),
            in_widths=(128, 64, 32),
            widths=(64, 32, 16),
            num_convs=2,
            order=2,
        )
    )
)
