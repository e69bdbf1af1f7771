# The runtime of a run that starts from converted weights of HaMeR.
_base_ = ['./default_runtime.py']

# What a converted HaMeR lacks or has too much for these models.
default_hooks = dict(
    checkpoint_match=dict(
        allow_missing=['uncertainty_head.'], allow_unexpected=['discriminator.']
    )
)
