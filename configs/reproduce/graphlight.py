# The light graph variant on the free benchmark; not a row of the paper.
_base_ = ['./full.py']

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
