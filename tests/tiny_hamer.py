"""Backbone and decoder of HaMeR at a size for a test: images of 64 pixels."""


def tiny_vit(depth):
    return dict(
        type='HaMeRViT',
        img_size=(64, 48),
        crop_columns=8,
        patch_size=16,
        embed_dims=32,
        depth=depth,
        num_heads=4,
        drop_path_rate=0.0,
    )


def tiny_decoder(depth):
    return dict(
        context_channels=32,
        embed_dims=24,
        depth=depth,
        num_heads=2,
        head_dims=8,
        ffn_dims=20,
    )


def tiny_hamer(depth, **options):
    """An estimator's config: one hand, with ``options`` of the estimator."""
    return dict(
        backbone=tiny_vit(depth),
        hand_model=dict(type='SingleHand'),
        mano_head=dict(
            type='MANODecoderHead', in_channels=32, decoder=tiny_decoder(depth)
        ),
        **options,
    )
