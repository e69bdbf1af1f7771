# HaMeR's pipeline for two CPU cores and 128x128 crops: its decoder, camera and losses
# on a narrow ResNet-18, since convolutions learn from few images and a ViT does not.
# The joints are those of the data set, regressed from the mesh.
_base_ = ['./hamer_vit_h.py']

hand_model = dict(tips='interhand', joints='regressed')
context_channels, token_channels = 128, 128
decoder = dict(
    context_channels=context_channels,
    embed_dims=token_channels,
    depth=2,
    num_heads=4,
    head_dims=32,
    ffn_dims=128,
    coordinates=True,
)  # convolutions do not tell where a cell is
norm_cfg = dict(type='GN', num_groups=16)

model = dict(
    hand_model=hand_model,
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        strides=(1, 2, 2, 1),  # 8x8 cells of 16 pixels
        zero_init_residual=False,  # from scratch: a silent branch learns late
        out_indices=(3,),
        norm_cfg=norm_cfg,
    ),
    mano_head=dict(
        in_channels=context_channels,
        decoder=decoder,
        focal=2500.0,  # 5000 at 256 pixels
        image_size=128,
        # Trained from nothing, not fine-tuned: the image must place the hand early.
        loss=dict(lambda_3d=1.0, lambda_2d=0.5, lambda_orient=0.3, lambda_pose=0.02),
    ),
)
